"""Generated client modules."""
