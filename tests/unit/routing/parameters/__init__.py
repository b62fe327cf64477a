"""Parameters that are neither in the path nor in the data."""
