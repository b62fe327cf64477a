"""Breakpoints in workers, and the worker of a debug session."""
