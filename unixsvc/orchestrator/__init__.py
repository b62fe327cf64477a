"""Keeps services running, each in processes of its own."""
