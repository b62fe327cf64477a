"""Python's own :mod:`logging` and warnings, as events of the log."""
