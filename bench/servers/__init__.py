"""The peers of unixsvc: each serves the same two routes, in the usual way of its users."""
