"""Connections that are served before there is a transport."""
