"""The formats of the log, and the events of workers."""

from __future__ import annotations

import io
import json
import time
from typing import Any, cast

from twisted.logger import (
    ILogObserver,
    InvalidLogLevelError,
    LogEvent,
    Logger,
    LogLevel,
    capturedLogs,
)
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unixsvc.domain.message import Request
from unixsvc.domain.request_context import set_current_request
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.logs import LogLevelFilter, LogObserver, relay

WHEN = 1_700_000_000.25


def event(message: str = "it works", level: LogLevel = LogLevel.info, **more: Any) -> LogEvent:
    """An event as :class:`twisted.logger.Logger` makes them."""
    return {
        "log_format": "{text}",
        "text": message,
        "log_level": level,
        "log_namespace": "shop",
        "log_time": WHEN,
        **more,
    }


def failing(case: SynchronousTestCase) -> LogEvent:
    """What is logged of an action that raises."""
    request = Request("GET", "/broken", auth_token="secret", meta={"request_id": "abc"})
    with capturedLogs() as events:
        try:
            raise RuntimeError("the disk is full")
        except RuntimeError as error:
            FailureLog("shop").failed(request, error)
    case.flushLoggedErrors(RuntimeError)
    (found,) = events
    return found


class ObserverTests(SynchronousTestCase):
    """The output of observers."""

    def setUp(self) -> None:
        """Serve no request: another test may have left one that waits for ever."""
        set_current_request(None)

    def written(self, form: str, *events: LogEvent, level: str = "info") -> str:
        """The log after these events."""
        file = io.BytesIO()
        observe = LogLevelFilter(level).filter(LogObserver(form, file.write))
        for each in events:
            observe(each)
        return file.getvalue().decode()

    def test_interface(self) -> None:
        """The observers provide ILogObserver, as twistd requires."""
        verifyObject(ILogObserver, LogObserver("text", print))
        verifyObject(ILogObserver, LogLevelFilter("info").filter(LogObserver("json", print)))

    def test_text(self) -> None:
        """The text format is one line with time, level, namespace and message."""
        self.assertRegex(
            self.written("text", event()),
            r"\A202\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} info shop: it works\n\Z",
        )

    def test_json(self) -> None:
        """The JSON format is one object on a line, without empty fields."""
        self.assertEqual(
            json.loads(self.written("json", event())),
            {"time": WHEN, "level": "info", "namespace": "shop", "message": "it works"},
        )

    def test_one_line_each(self) -> None:
        """A message of several lines is one line of JSON."""
        self.assertEqual(self.written("json", event("one\ntwo"), event()).count("\n"), 2)

    def test_request_id(self) -> None:
        """Both formats contain the id of the request."""
        self.assertIn("abc", self.written("text", event(request_id="abc")))
        self.assertEqual(json.loads(self.written("json", event(request_id="abc")))["request_id"], "abc")

    def test_traceback(self) -> None:
        """Both formats contain the traceback of a failure."""
        self.assertIn("test_logs.py", self.written("text", failing(self)))
        self.assertIn("test_logs.py", json.loads(self.written("json", failing(self)))["traceback"])

    def test_level(self) -> None:
        """Events below the minimum level are not written."""
        levels = LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical
        events = [event(each.name, each) for each in levels]
        for least, count in ("debug", 5), ("info", 4), ("warn", 3), ("error", 2):
            self.assertEqual(self.written("text", *events, level=least).count("\n"), count)

    def test_bare_event(self) -> None:
        """An event without a message is written."""
        bare = {"log_time": WHEN, "log_level": LogLevel.info, "log_namespace": "shop"}
        self.assertIn("info", self.written("text", bare))
        self.assertEqual(json.loads(self.written("json", bare))["level"], "info")


class RelayTests(SynchronousTestCase):
    """From a worker's standard error to the log of the orchestrator."""

    def relayed(self, line: bytes, level: str = "error") -> LogEvent:
        """The event for a line of a worker."""
        events: list[LogEvent] = []
        relay(Logger("home[1]", observer=_collector(events)), line, level)
        (found,) = events
        return found

    def line(self, of: LogEvent) -> bytes:
        """An event as a worker writes it, without its line end."""
        file = io.BytesIO()
        LogObserver("json", file.write)(of)
        line = file.getvalue().decode()
        self.assertTrue(line.endswith("\n") and line.count("\n") == 1)
        return line.rstrip("\n").encode()

    def test_text(self) -> None:
        """Any text is logged unchanged with the name of the worker and the level of its stream."""
        for level in "info", "error":
            found = self.relayed(b"hello", level)
            self.assertEqual((found["text"], found["log_level"].name), ("hello", level))
            self.assertEqual(found["log_namespace"], "home[1]")

    def test_braces(self) -> None:
        """Braces in a line are not format fields."""
        file = io.BytesIO()
        LogObserver("text", file.write)(self.relayed(b"{log_level} {nothing}"))
        self.assertIn("{log_level} {nothing}", file.getvalue().decode())

    def test_not_utf8(self) -> None:
        """Bytes that are not UTF-8 are replaced."""
        self.assertIn("caf", self.relayed(b"caf\xe9")["text"])

    def test_event(self) -> None:
        """An event of a worker keeps its level, message and request id."""
        found = self.relayed(self.line(event("a\nb", LogLevel.warn, request_id="abc")))
        self.assertEqual(found["log_level"], LogLevel.warn)
        self.assertEqual((found["text"], found["request_id"]), ("a\nb", "abc"))

    def test_failure(self) -> None:
        """An event of a worker keeps its traceback."""
        failed = failing(self)
        file = io.BytesIO()
        LogObserver("json", file.write)(self.relayed(self.line(failed)))
        self.assertIn("the disk is full", json.loads(file.getvalue().decode())["traceback"])
        self.assertEqual(json.loads(file.getvalue().decode())["level"], "error")

    def test_other_json(self) -> None:
        """JSON that is not an event is logged as text."""
        deep = b'{"x":' + b"[" * 100_000
        for line in b"{}", b"7", b'{"time": "now"}', b'{"time":1.0,"level":"info"}', deep:
            self.assertEqual(self.relayed(line)["text"], line.decode())


class LevelTests(SynchronousTestCase):
    """Minimum levels."""

    def setUp(self) -> None:
        """A level, and something that it filters for."""
        self.events: list[LogEvent] = []
        self.level = LogLevelFilter("warn")
        self.observe = self.level.filter(_collector(self.events))

    def passed(self) -> list[str]:
        """Which events of each level come through now."""
        self.events.clear()
        for each in LogLevel.iterconstants():
            self.observe(event(each.name, each))
        return [each["text"] for each in self.events]

    def test_filter(self) -> None:
        """Events below the minimum level do not reach the observer."""
        self.assertEqual(self.passed(), ["warn", "error", "critical"])

    def test_set(self) -> None:
        """The minimum level can be changed at run time, up and down."""
        for name, passed in (
            ("debug", ["debug", "info", "warn", "error", "critical"]),
            ("error", ["error", "critical"]),
            ("info", ["info", "warn", "error", "critical"]),
            ("warn", ["warn", "error", "critical"]),
        ):
            self.level.set(name)
            self.assertEqual((self.passed(), self.level.name), (passed, name))

    def test_set_for_all(self) -> None:
        """A change applies to all wrapped observers and to all namespaces."""
        other: list[LogEvent] = []
        self.level.set("info")
        later = self.level.filter(_collector(other))
        self.level.set("error")
        for namespace in ("shop", "unixsvc.server.handler", "-"):
            for observe in (self.observe, later):
                observe(event("unwanted", LogLevel.warn, log_namespace=namespace))
                observe(event("wanted", LogLevel.error, log_namespace=namespace))
        self.assertEqual([each["text"] for each in self.events + other], ["wanted"] * 6)

    def test_loggers(self) -> None:
        """A logger, and those below it, can have another level, lower or higher; it ends with its setting."""
        seen = [
            ("shop", LogLevel.info), ("shop.db", LogLevel.debug), ("shop.db.pool", LogLevel.debug),
            ("shop.dbx", LogLevel.warn), ("loud", LogLevel.error), ("loud.a", LogLevel.critical),
        ]  # fmt: skip
        for loggers, passed in (
            ({"shop.db": "debug", "loud": "critical"}, ["shop.db", "shop.db.pool", "shop.dbx", "loud.a"]),
            (None, ["shop.db", "shop.db.pool", "shop.dbx", "loud.a"]),
            ({"shop": "error"}, ["loud", "loud.a"]),
            ({}, ["shop.dbx", "loud", "loud.a"]),
        ):
            self.events.clear()
            self.level.set("warn", loggers)
            for namespace, level in seen:
                self.observe(event("x", level, log_namespace=namespace))
            self.assertEqual([each["log_namespace"] for each in self.events], passed)

    def test_loggers_of_workers(self) -> None:
        """In the orchestrator, an event of a worker has the level of its logger in the worker."""
        self.level.set("warn", {"shop.db": "debug"})
        for logger in ("shop.db", "shop"):
            self.observe(event(logger, LogLevel.debug, log_namespace="shop[1]", worker_logger=logger))
        self.assertEqual([each["text"] for each in self.events], ["shop.db"])

    def test_strange_event(self) -> None:
        """An event without a level or a namespace, as Twisted's filter, is not logged."""
        self.observe({"log_namespace": "x", "log_format": "x"})
        self.observe({"log_level": LogLevel.error, "log_format": "x"})
        self.observe({"log_level": LogLevel.error, "log_namespace": 7})
        self.assertEqual(self.events, [])

    def test_unknown(self) -> None:
        """An unknown level is refused, and the previous one stays."""
        self.assertRaises(InvalidLogLevelError, LogLevelFilter, "loud")
        self.assertRaises(InvalidLogLevelError, self.level.set, "loud")
        self.assertRaises(InvalidLogLevelError, self.level.set, "info", {"x": "loud"})
        self.assertEqual((self.passed()[0], self.level.name), ("warn", "warn"))


def _collector(events: list[LogEvent]) -> ILogObserver:
    return cast(ILogObserver, events.append)


class HostileTests(SynchronousTestCase):
    """Malicious texts of applications and peers."""

    def worker_line(self, **more: Any) -> bytes:
        """An event as a worker writes it."""
        file = io.BytesIO()
        LogObserver("json", file.write)(event(**more))
        return file.getvalue()

    def relayed(self, line: bytes) -> LogEvent:
        """The output of the orchestrator for a line."""
        found: list[LogEvent] = []
        relay(Logger("home[1]", observer=cast(ILogObserver, found.append)), line, "info")
        (one,) = found
        return one

    def test_unknown_level(self) -> None:
        """JSON with an unknown level is logged as text."""
        text = b'{"time":1.0,"level":"warning","namespace":"x","message":"y"}'
        self.assertEqual(self.relayed(text)["text"], text.decode())

    def test_where_and_when(self) -> None:
        """An event of a worker keeps its time and its namespace."""
        file = io.BytesIO()
        LogObserver("json", file.write)(self.relayed(self.worker_line()))
        line = json.loads(file.getvalue().decode())
        self.assertEqual((line["time"], line["namespace"], line["logger"]), (WHEN, "home[1]", "shop"))

    def test_times(self) -> None:
        """An event whose time no calendar has is logged with the current time."""
        for seconds in ("1e300", "-1e300", "-5", "1e18", "253402300800"):
            line = b'{"time":%s,"level":"info","namespace":"x","message":"y"}' % seconds.encode()
            for form in ("text", "json"):
                file = io.BytesIO()
                LogObserver(form, file.write)(self.relayed(line))
                self.assertIn(b"y", file.getvalue())
            self.assertLess(abs(json.loads(file.getvalue())["time"] - time.time()), 60)

    def test_fields_of_any_type(self) -> None:
        """An event whose fields an application has set to values of other types is logged."""

        class Broken:
            def __str__(self) -> str:
                raise ValueError

        values: list[Any] = [7, Broken(), ["x"], b"x", float("nan"), float("inf")]
        for field in ("request_id", "traceback", "log_namespace", "log_time", "worker_time", "worker_logger"):
            for value in values:
                for form in ("text", "json"):
                    file = io.BytesIO()
                    LogObserver(form, file.write)(event("here", **{field: value}))
                    self.assertIn(b"here", file.getvalue())

    def test_very_long(self) -> None:
        """A long event is one event, shortened to its end."""
        line = self.worker_line(traceback="x" * 1_000_000 + "the end")
        self.assertLess(len(line), 100_000)
        self.assertTrue(self.relayed(line)["traceback"].endswith("the end"))

    def test_surrogates(self) -> None:
        """Surrogates, which UTF-8 cannot encode, are escaped."""
        for form in ("text", "json"):
            file = io.BytesIO()
            LogObserver(form, file.write)(event("\udcff", request_id="\udcff"))
            self.assertIn("udcff", file.getvalue().decode())

    def test_forged(self) -> None:
        """In the text format, one event cannot look like two, or contain control sequences."""
        file = io.BytesIO()
        forged = "\n2026-11-24T01:48:46+0000 critical orchestrator: forged\x1b[2J\r"
        LogObserver("text", file.write)(event(forged, request_id=forged, traceback=forged))
        _, *rest = file.getvalue().decode().split("\n")
        self.assertNotRegex(file.getvalue().decode(), r"[\x1b\r]")
        self.assertTrue(all(line.startswith("    ") for line in rest if line), rest)
