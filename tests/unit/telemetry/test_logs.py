"""How events look, and how a worker's get into the orchestrator's log."""

from __future__ import annotations

import io
import json
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

from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Request
from unixsvc.telemetry.logs import FailureLog, LogLevelFilter, WorkerObserver, observer, relay

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
    """What is written."""

    def written(self, form: str, *events: LogEvent, level: str = "info") -> str:
        """The log, after these events."""
        file = io.StringIO()
        observe = observer(form, LogLevelFilter(level), file)
        for each in events:
            observe(each)
        return file.getvalue()

    def test_interface(self) -> None:
        """They are observers, which twistd asks for."""
        verifyObject(ILogObserver, observer("text", LogLevelFilter("info"), io.StringIO()))
        verifyObject(ILogObserver, WorkerObserver(io.StringIO()))

    def test_text(self) -> None:
        """One line: when, how important, who, what."""
        self.assertRegex(
            self.written("text", event()),
            r"\A202\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} info shop: it works\n\Z",
        )

    def test_json(self) -> None:
        """One object a line, without what there is not."""
        self.assertEqual(
            json.loads(self.written("json", event())),
            {"time": WHEN, "level": "info", "namespace": "shop", "message": "it works"},
        )

    def test_one_line_each(self) -> None:
        """A message of several lines is one line of JSON all the same."""
        self.assertEqual(self.written("json", event("one\ntwo"), event()).count("\n"), 2)

    def test_request_id(self) -> None:
        """The request that an event is about is named, in both forms."""
        self.assertIn("abc", self.written("text", event(request_id="abc")))
        self.assertEqual(json.loads(self.written("json", event(request_id="abc")))["request_id"], "abc")

    def test_traceback(self) -> None:
        """A failure has its traceback, in both forms."""
        self.assertIn("test_logs.py", self.written("text", failing(self)))
        self.assertIn("test_logs.py", json.loads(self.written("json", failing(self)))["traceback"])

    def test_level(self) -> None:
        """What is less important than asked for is left out."""
        levels = LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical
        events = [event(each.name, each) for each in levels]
        for least, count in ("debug", 5), ("info", 4), ("warn", 3), ("error", 2):
            self.assertEqual(self.written("text", *events, level=least).count("\n"), count)

    def test_bare_event(self) -> None:
        """An event without a message is no reason to fail."""
        bare = {"log_time": WHEN, "log_level": LogLevel.info, "log_namespace": "shop"}
        self.assertIn("info", self.written("text", bare))
        self.assertEqual(json.loads(self.written("json", bare))["level"], "info")


class RelayTests(SynchronousTestCase):
    """From a worker's standard error into the orchestrator's log."""

    def relayed(self, line: bytes, level: str = "error") -> LogEvent:
        """The event that comes of a line."""
        events: list[LogEvent] = []
        relay(Logger("home[1]", observer=_collector(events)), line, level)
        (found,) = events
        return found

    def line(self, of: LogEvent) -> bytes:
        """What a worker writes for an event, without its line end."""
        file = io.StringIO()
        WorkerObserver(file)(of)
        line = file.getvalue()
        self.assertTrue(line.endswith("\n") and line.count("\n") == 1)
        return line.rstrip("\n").encode()

    def test_text(self) -> None:
        """Any line is logged as it is, under the worker's name, with the level of where it came from."""
        for level in "info", "error":
            found = self.relayed(b"hello", level)
            self.assertEqual((found["text"], found["log_level"].name), ("hello", level))
            self.assertEqual(found["log_namespace"], "home[1]")

    def test_braces(self) -> None:
        """Nothing in a line is taken for a format."""
        file = io.StringIO()
        observer("text", LogLevelFilter("info"), file)(self.relayed(b"{log_level} {nothing}"))
        self.assertIn("{log_level} {nothing}", file.getvalue())

    def test_not_utf8(self) -> None:
        """Bytes that are no text are shown as well as can be."""
        self.assertIn("caf", self.relayed(b"caf\xe9")["text"])

    def test_event(self) -> None:
        """A worker's own event keeps its level, message and request."""
        found = self.relayed(self.line(event("a\nb", LogLevel.warn, request_id="abc")))
        self.assertEqual(found["log_level"], LogLevel.warn)
        self.assertEqual((found["text"], found["request_id"]), ("a\nb", "abc"))

    def test_failure(self) -> None:
        """Its traceback comes along, and is written."""
        failed = failing(self)
        file = io.StringIO()
        observer("json", LogLevelFilter("info"), file)(self.relayed(self.line(failed)))
        self.assertIn("the disk is full", json.loads(file.getvalue())["traceback"])
        self.assertEqual(json.loads(file.getvalue())["level"], "error")

    def test_other_json(self) -> None:
        """JSON of the application's own is a line like any other."""
        deep = b'{"x":' + b"[" * 100_000
        for line in b"{}", b"7", b'{"time": "now"}', b'{"time":1.0,"level":"info"}', deep:
            self.assertEqual(self.relayed(line)["text"], line.decode())


class LevelTests(SynchronousTestCase):
    """What nobody wants is not written, nor sent by a worker."""

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
        """Less important events do not reach the observer."""
        self.assertEqual(self.passed(), ["warn", "error", "critical"])

    def test_set(self) -> None:
        """The level can be changed while events come: to more, to less, and back."""
        for name, passed in (
            ("debug", ["debug", "info", "warn", "error", "critical"]),
            ("error", ["error", "critical"]),
            ("info", ["info", "warn", "error", "critical"]),
            ("warn", ["warn", "error", "critical"]),
        ):
            self.level.set(name)
            self.assertEqual((self.passed(), self.level.name), (passed, name))

    def test_set_for_all(self) -> None:
        """It counts for all that it filters for, those that were made before and after, in any namespace."""
        other: list[LogEvent] = []
        self.level.set("info")
        later = self.level.filter(_collector(other))
        self.level.set("error")
        for namespace in ("shop", "unixsvc.server.handler", "-"):
            for observe in (self.observe, later):
                observe(event("unwanted", LogLevel.warn, log_namespace=namespace))
                observe(event("wanted", LogLevel.error, log_namespace=namespace))
        self.assertEqual([each["text"] for each in self.events + other], ["wanted"] * 6)

    def test_unknown(self) -> None:
        """A level that there is not is refused, and the one before it stays."""
        self.assertRaises(InvalidLogLevelError, LogLevelFilter, "loud")
        self.assertRaises(InvalidLogLevelError, self.level.set, "loud")
        self.assertEqual((self.passed()[0], self.level.name), ("warn", "warn"))


class FailureLogTests(SynchronousTestCase):
    """What peers must not see."""

    def test_interface(self) -> None:
        """It is what the use case tells its failures."""
        verifyObject(IFailureLog, FailureLog("shop"))

    def test_failed(self) -> None:
        """It says which request failed, of which service, and why."""
        found = failing(self)
        self.assertEqual((found["request_id"], found["log_namespace"]), ("abc", "shop"))
        self.assertEqual((found["method"], found["path"]), ("GET", "/broken"))
        self.assertEqual(found["log_level"], LogLevel.error)
        self.assertEqual(found["log_failure"].getErrorMessage(), "the disk is full")

    def test_token(self) -> None:
        """The caller's token is in none of it."""
        failed = failing(self)
        for form in "text", "json":
            file = io.StringIO()
            observer(form, LogLevelFilter("debug"), file)(failed)
            self.assertIn("/broken", file.getvalue())
            self.assertNotIn("secret", file.getvalue())


def _collector(events: list[LogEvent]) -> ILogObserver:
    return cast(ILogObserver, events.append)


class HostileTests(SynchronousTestCase):
    """What applications and peers say does not break the log."""

    def worker_line(self, **more: Any) -> bytes:
        """An event as a worker writes it."""
        file = io.StringIO()
        WorkerObserver(file)(event(**more))
        return file.getvalue().encode()

    def relayed(self, line: bytes) -> LogEvent:
        """What the orchestrator makes of a line."""
        found: list[LogEvent] = []
        relay(Logger("home[1]", observer=cast(ILogObserver, found.append)), line, "info")
        (one,) = found
        return one

    def test_unknown_level(self) -> None:
        """JSON with a level that there is not, as an application may print, is a line as any other."""
        text = b'{"time":1.0,"level":"warning","namespace":"x","message":"y"}'
        self.assertEqual(self.relayed(text)["text"], text.decode())

    def test_where_and_when(self) -> None:
        """A worker's event keeps its time, and what logged it there."""
        file = io.StringIO()
        observer("json", LogLevelFilter("info"), file)(self.relayed(self.worker_line()))
        line = json.loads(file.getvalue())
        self.assertEqual((line["time"], line["namespace"], line["logger"]), (WHEN, "home[1]", "shop"))

    def test_very_long(self) -> None:
        """An event of any length comes through as one, cut to its end."""
        line = self.worker_line(traceback="x" * 1_000_000 + "the end")
        self.assertLess(len(line), 100_000)
        self.assertTrue(self.relayed(line)["traceback"].endswith("the end"))

    def test_surrogates(self) -> None:
        """What UTF-8 cannot hold is logged all the same."""
        for form in ("text", "json"):
            file = io.StringIO()
            observer(form, LogLevelFilter("info"), file)(event("\udcff", request_id="\udcff"))
            self.assertIn("udcff", file.getvalue())

    def test_forged(self) -> None:
        """In the text form one event cannot look like two, nor move the cursor."""
        file = io.StringIO()
        forged = "\n2026-11-24T01:48:46+0000 critical orchestrator: forged\x1b[2J\r"
        observer("text", LogLevelFilter("info"), file)(event(forged, request_id=forged, traceback=forged))
        _, *rest = file.getvalue().split("\n")
        self.assertNotRegex(file.getvalue(), r"[\x1b\r]")
        self.assertTrue(all(line.startswith("    ") for line in rest if line), rest)
