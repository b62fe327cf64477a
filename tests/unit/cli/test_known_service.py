"""Commands that show what there is of a service: a wrong name is an error, and not an empty list."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from msgspec import Raw

from tests.unit.cli.command_runner import CommandTestCase, FakeClient, success
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import ServiceLocation
from unixsvc.socket_directory import socket_path
from unixsvc.telemetry.log_query import LogBatch
from unixsvc.telemetry.log_record import LogRecord

_COMMANDS = (["logs"], ["logs", "-f"], ["events"], ["events", "-f"])
_EVENT = LogRecord(1.0, "info", "gone[1]", "the last words")


class _Orchestrator(FakeClient):
    """Has the services ``shop`` and ``http``, a batch of the log, and no events."""

    def request(self, call: Call, timeout: float, on_item: Callable[[Raw], object] | None = None) -> Raw:
        """Reply."""
        case = cast(NameTests, self._case)
        case.items = [case.batch] if call.path == "/logs" else []
        case.answer = success([{"name": "shop"}, {"name": "http"}] if call.path == "/services" else [])
        return super().request(call, timeout, on_item)


class NameTests(CommandTestCase):
    """A service that has no events, and one that the orchestrator does not run."""

    def setUp(self) -> None:
        """Start an orchestrator."""
        super().setUp()
        self.write("service_orchestrator.sock")
        self.batch = LogBatch([])

    def client(self, service: str, location: ServiceLocation, retry: bool) -> FakeClient:
        """The client of the orchestrator."""
        return _Orchestrator(self, socket_path(location.socket_dir, service), location, retry)

    def test_unknown(self) -> None:
        """A name that no service has is named, with those that there are."""
        for words in _COMMANDS:
            self.assertError(
                self.run_command(*words, "shpo"), 4, "there is no service 'shpo'; there are: shop, http"
            )

    def test_quiet(self) -> None:
        """A service without events is no error, nor is the orchestrator, nor all services."""
        for words in _COMMANDS:
            for name in "shop", "http", "orchestrator", "":
                outcome = self.run_command(*words, *([name] if name else []))
                self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "", ""), (words, name))

    def test_removed(self) -> None:
        """The log of a service that is not configured any more can be read."""
        self.batch = LogBatch([_EVENT])
        outcome = self.run_command("logs", "gone")
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        self.assertIn("the last words", outcome.out)
