"""Listening sockets: endpoints, accepting, balancing between workers, TLS."""
