"""Execution of actions: on the event loop, in threads, and as streams."""
