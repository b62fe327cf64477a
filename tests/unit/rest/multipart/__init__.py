"""Tests of unixsvc.rest.uploads."""
