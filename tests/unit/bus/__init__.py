"""Tests of unixsvc.bus."""
