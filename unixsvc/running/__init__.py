"""Runs actions: those that wait on the reactor, those that block in threads."""
