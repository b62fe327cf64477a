"""``unixsvc debug``."""
