"""Tests of unixsvc.limiting."""
