"""Live sample traffic: a simulated service operation, and the process that sends what it does."""
