"""Calls between hosts: circuits, which carry the protocol of the sockets over NATS."""
