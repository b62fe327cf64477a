"""The configuration: checked settings and the file that they come from."""
