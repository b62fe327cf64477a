"""Tests of unixsvc.cli.logs."""
