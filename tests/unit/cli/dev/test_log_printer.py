"""The log on a terminal."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.dev.log_printer import LogPrinter
from unixsvc.telemetry.log_record import LogRecord


class PrinterTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Collect the output."""
        self.output = ""

    def print_events(self, *events: tuple[str, str, str], colour: bool = False, **fields: Any) -> str:
        """The output for events of a namespace, a level and a message; without the time."""
        printer = LogPrinter(self._write, ["user", "home"], colour=colour)
        for namespace, level, message in events:
            printer.print_line(msgspec.json.encode(LogRecord(1.5, level, namespace, message, **fields)))
        return self.output

    def _write(self, text: str) -> None:
        self.output += text

    def assertLines(self, *lines: str) -> None:
        """Each line of the output has a time, and then this."""
        found = self.output.splitlines()
        self.assertEqual([line[9:] for line in found], list(lines))
        for line in found:
            self.assertRegex(line, r"^\d\d:\d\d:\d\d ")

    def test_prefix(self) -> None:
        """Each line begins with the worker, the service, or else the orchestrator."""
        self.print_events(("user[1]", "info", "m"), ("home", "info", "m"), ("asyncio", "info", "m"))
        self.assertLines("user[1]      | m", "home         | m", "orchestrator | m")

    def test_added(self) -> None:
        """Services that a new configuration has added are shown under their names, too."""
        printer = LogPrinter(self._write, ["user"], colour=False)
        event = msgspec.json.encode(LogRecord(1.5, "info", "much-longer-name[1]", "m"))
        printer.print_line(event)
        printer.add_services(["user", "much-longer-name"])
        printer.print_line(event)
        self.assertLines("orchestrator | m", "much-longer-name[1] | m")

    def test_level(self) -> None:
        """A level above info is named; so is the request."""
        self.print_events(("user[1]", "warn", "m"), request_id="r1")
        self.assertLines("user[1]      | warn: [r1] m")

    def test_orchestrator(self) -> None:
        """Events of the orchestrator have no id: their requests are those of the command itself."""
        self.print_events(("orchestrator", "info", "reloading shop"), request_id="r1")
        self.assertLines("orchestrator | reloading shop")

    def test_logger(self) -> None:
        """The logger is named, unless it has the name of the service."""
        self.print_events(("user[1]", "warn", "m"), request_id="r1", logger="sqlalchemy.engine")
        self.print_events(("user[1]", "info", "m"), logger="user")
        self.assertLines("user[1]      | warn: [r1] sqlalchemy.engine: m", "user[1]      | m")

    def test_lines(self) -> None:
        """Each line of a traceback has the prefix, and no text can move the cursor."""
        self.print_events(("user[1]", "error", "m\x1b[2J"), traceback="Traceback:\n  File\n")
        self.assertLines(
            "user[1]      | error: m\\x1b[2J", "user[1]      | Traceback:", "user[1]      |   File"
        )

    def test_paths(self) -> None:
        """Paths below the current directory are relative."""
        printer = LogPrinter(self._write, ["user"], colour=False)
        event = LogRecord(1.5, "error", "user", f"at {os.getcwd()}/shop.py:8")
        printer.print_line(msgspec.json.encode(event))
        printer.say(f"user: {os.getcwd()}/run/user.sock")
        self.assertLines("user         | error: at shop.py:8", "dev          | user: run/user.sock")

    def test_left_out(self) -> None:
        """Start and stop of Twisted, and the same reason three times, are left out."""
        self.print_events(
            ("twisted.internet.base", "info", "Main loop terminated."),
            ("user[1]", "error", "cannot load shop:app"),
            ("user", "error", "the new workers cannot start, the old ones stay: why"),
            ("twisted.internet.base", "error", "trouble"),
        )
        self.assertLines("orchestrator | error: trouble")

    def test_cannot_start(self) -> None:
        """The reason why code cannot start is shown once, at the start and at each reload."""
        worker = ("user[1]", "warn", "worker user[1] (pid 7) exited with code 3: a.py:8: NameError: x")
        self.print_events(worker, ("user", "error", "cannot start: a.py:8: NameError: x"))
        reload = ("orchestrator", "error", "failed: the new workers cannot start: a.py:8: NameError: x; stay")
        self.print_events(reload, worker, reload, worker)
        self.assertEqual(self.output.count("NameError"), 3)

    def test_text(self) -> None:
        """Output that is no event of the log is shown too."""
        printer = LogPrinter(self._write, [], colour=False)
        self.assertIsNone(printer.print_line(b"plain\xff\n"))
        self.assertLines("orchestrator | plain�")

    def test_colours(self) -> None:
        """Each service has a colour, and so have warnings and errors; or there is no escape sequence."""
        shown = self.print_events(("user[1]", "error", "m"), ("home[1]", "info", "m"), colour=True)
        first, second = shown.splitlines()
        self.assertIn("\x1b[36m", first)
        self.assertIn("\x1b[31merror: m", first)
        self.assertIn("\x1b[33m", second)
        self.assertTrue(second.endswith("m"))
        self.output = ""
        self.assertNotIn("\x1b", self.print_events(("user[1]", "error", "m")))
