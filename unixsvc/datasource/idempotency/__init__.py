"""Idempotency keys: each key's action runs once."""
