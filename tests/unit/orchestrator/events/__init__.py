"""Tests of events and hooks."""
