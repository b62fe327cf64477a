"""The client for Twisted programs."""
