"""HTTP plumbing that every service with a port shares: problems, keys, metrics, the server itself."""
