"""Tests of unixsvc.telemetry.access."""
