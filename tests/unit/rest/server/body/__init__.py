"""Tests of unixsvc.rest.server.body."""
