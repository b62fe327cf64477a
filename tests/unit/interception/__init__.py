"""Tests of unixsvc.interception."""
