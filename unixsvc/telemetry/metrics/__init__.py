"""Metrics: counters in memory that a worker shares with the orchestrator, and what is read from it."""
