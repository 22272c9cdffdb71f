"""Converters: other systems' logs in, contract v1 events out."""
