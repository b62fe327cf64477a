"""Tests of unixsvc.telemetry.stdlib."""
