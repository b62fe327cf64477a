"""Bridges to the transports of the event loop, and what the kernel says about a peer."""
