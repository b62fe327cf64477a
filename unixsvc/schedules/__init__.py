"""Periodic work: declarations, ticks, and the state of each schedule."""
