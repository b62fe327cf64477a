"""Tests with real processes, sockets and signals."""

from tests.default_signals import accept_signals

accept_signals()
