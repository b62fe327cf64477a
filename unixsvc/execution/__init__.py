"""Runs actions: on the event loop, in threads, and as streams."""
