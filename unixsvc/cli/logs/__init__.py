"""``unixsvc logs``: the events of the log."""
