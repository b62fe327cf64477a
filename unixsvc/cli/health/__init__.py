"""``unixsvc health``: the health checks of the services and of the HTTP gateway."""
