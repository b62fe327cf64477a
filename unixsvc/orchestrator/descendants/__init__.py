"""Processes that workers have started."""
