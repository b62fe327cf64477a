"""Tests: ``unit`` in memory, ``functional`` with real processes."""

from hypothesis import HealthCheck, settings

# How long an example takes, and how many must be drawn to get one, says nothing about us.
_UNFIT = [HealthCheck.too_slow, HealthCheck.filter_too_much]
settings.register_profile("steady", deadline=None, suppress_health_check=_UNFIT)
settings.load_profile("steady")
