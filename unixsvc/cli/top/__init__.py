"""``unixsvc top``: services, workers and routes in a terminal, as they work."""
