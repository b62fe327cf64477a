"""Tests of unixsvc.rest.websocket."""
