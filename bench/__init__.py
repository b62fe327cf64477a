"""Measures what a service can do on this machine."""
