"""Tests of unixsvc.tracing, and of what uses it."""
