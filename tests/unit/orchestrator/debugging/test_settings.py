"""Tests of the settings of a debugged service."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.test_control import SETTINGS
from unixsvc.config.http import Http
from unixsvc.config.settings import ServiceSettings
from unixsvc.orchestrator.debugging.settings import debug_settings

_DAY = 86_400


class DebugSettingsTests(SynchronousTestCase):
    """What changes, and what stays."""

    def setUp(self) -> None:
        """A service with short timeouts, and the gateway."""
        usual = ServiceSettings(
            "shop:app", workers=4, watchdog=2, request_timeout=1, drain_timeout=7, kill_timeout=3,
            max_requests=10, max_memory=9, max_age=8, environment={"COLOUR": "red", "TERM": "x"},
        )  # fmt: skip
        self.settings = replace(SETTINGS, services={"shop": usual, "http": usual}, gateways={"http": Http()})

    def test_no_limits(self) -> None:
        """One worker may be suspended for days, and is not recycled."""
        service = debug_settings("shop", self.settings, {}).services["shop"]
        self.assertEqual(service.worker_count, 1)
        limits = service.limits(self.settings.limits)
        for seconds in (
            service.boot_timeout, service.watchdog, limits.request_timeout, limits.message_timeout,
            limits.idle_timeout, limits.authentication_timeout,
        ):  # fmt: skip
            self.assertGreater(seconds, _DAY)
        self.assertEqual((service.max_requests, service.max_memory, service.max_age), (0, 0, 0))

    def test_end(self) -> None:
        """How long it may drain is as configured: a stop does not wait for a person."""
        service = debug_settings("shop", self.settings, {}).services["shop"]
        self.assertEqual((service.drain_timeout, service.kill_timeout), (7, 3))

    def test_environment(self) -> None:
        """Variables about the terminal are added to those of the service."""
        service = debug_settings("shop", self.settings, {"TERM": "dumb"}).services["shop"]
        self.assertEqual(service.environment, {"COLOUR": "red", "TERM": "dumb"})

    def test_gateway(self) -> None:
        """The timeouts of HTTP change for the gateway only; other services stay as they are."""
        found = debug_settings("http", self.settings, {})
        http = found.gateways["http"]
        self.assertGreater(min(http.header_timeout, http.send_timeout), _DAY)
        self.assertEqual(found.services["shop"], self.settings.services["shop"])
        self.assertEqual(debug_settings("shop", self.settings, {}).gateways, {"http": Http()})
