"""Idempotency keys: each action runs once per key."""
