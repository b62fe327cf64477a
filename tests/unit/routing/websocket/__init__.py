"""Tests of unixsvc.routing.websocket."""
