"""``unixsvc events``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.cli.command_runner import CommandTestCase, success
from unixsvc.cli.now.events import parse_since

_NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
_DIED = {
    "number": 4,
    "time": _NOW,
    "kind": "worker.died",
    "service": "shop",
    "pid": 12,
    "slot": 1,
    "reason": "was killed\nby signal 9",
    "details": {"signal": 9},
}
_SCALED = {"number": 5, "time": _NOW, "kind": "service.scaled", "service": "shop", "details": {"workers": 3}}


class EventsTests(CommandTestCase):
    """The command."""

    def setUp(self) -> None:
        """Start an orchestrator."""
        super().setUp()
        self.write("service_orchestrator.sock")
        self.answer = success([_DIED, _SCALED])

    def test_list(self) -> None:
        """Each event is a line with its worker and its reason, or else its details."""
        outcome = self.run_command("events", "shop")
        self.assertEqual(outcome.code, 0, outcome.err)
        died, scaled = outcome.out.splitlines()
        self.assertTrue(died.endswith("worker.died shop[1] (pid 12) was killed by signal 9"), died)
        self.assertTrue(scaled.endswith("service.scaled shop workers 3"), scaled)
        call = self.calls[-1].call
        self.assertEqual((call.path, msgspec.json.decode(call.data)), ("/events", {"service": "shop"}))

    def test_json(self) -> None:
        """With --json each is an object on a line."""
        lines = self.run_command("events", "--json").out.splitlines()
        self.assertEqual([msgspec.json.decode(each)["number"] for each in lines], [4, 5])

    def test_follow(self) -> None:
        """With -f the events of a stream are shown as they come."""
        self.items, self.answer = [_SCALED], success(None)
        outcome = self.run_command("events", "-f", "--since", "10m")
        self.assertTrue(outcome.out.endswith("service.scaled shop workers 3\n"), outcome)
        call = self.calls[-1].call
        self.assertEqual(call.path, "/events/follow")
        since = datetime.fromisoformat(msgspec.json.decode(call.data)["since"])
        self.assertLess(abs((datetime.now(UTC) - since).total_seconds() - 600), 60)

    def test_invalid(self) -> None:
        """A time that is none is an error; so is a reply of another form."""
        self.assertError(self.run_command("events", "--since", "yesterday"), 2, "'yesterday' is neither")
        self.answer = success([{"time": "noon"}])
        self.assertError(self.run_command("events"), 5, "cannot be read")


class SinceTests(SynchronousTestCase):
    """The times of ``--since``."""

    def test_duration(self) -> None:
        """A duration is before now."""
        self.assertEqual(parse_since("1h30m", _NOW), _NOW - timedelta(hours=1, minutes=30))

    def test_time(self) -> None:
        """A time may have an offset, and is local without one."""
        self.assertEqual(parse_since("2026-01-31T12:00+01:00", _NOW), _NOW - timedelta(hours=1))
        self.assertEqual(parse_since("2026-01-31T12:00", _NOW), datetime(2026, 1, 31, 12).astimezone(UTC))

    def test_out_of_range(self) -> None:
        """A time before the first year is an error."""
        for text in ("99999999d", "", "0001-01-01T00:00+23:00"):
            self.assertRaises(click.BadParameter, parse_since, text, _NOW)
