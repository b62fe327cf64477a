"""The records of Python's own logging."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    STDLibLogObserver,
    capturedLogs,
    formatEvent,
    globalLogPublisher,
)
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.logs import LogLevelFilter, LogObserver
from unixsvc.telemetry.stdlib.handlers import PythonLogging
from unixsvc.telemetry.stdlib.levels import level_name

LOG = logging.getLogger("shop.basket")


class LoggingTestCase(SynchronousTestCase):
    """Tests with the handlers."""

    def setUp(self) -> None:
        """Install the handlers; services in memory of other tests may have left one."""
        self.patch(logging.getLogger(), "handlers", [])
        self.level = LogLevelFilter("info")
        self.python = PythonLogging(self.level.observe)
        self.python.install()
        self.addCleanup(self.python.remove)

    def logged(self, call: Callable[..., object], *arguments: object, **named: object) -> list[LogEvent]:
        """The events while a function is called."""
        with capturedLogs() as events:
            call(*arguments, **named)
        return list(events)

    def one(self, call: Callable[..., object], *arguments: object, **named: object) -> LogEvent:
        """The only event."""
        (event,) = self.logged(call, *arguments, **named)
        return event


class _Broken:
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class _Strange(str):
    @property
    def event(self) -> object:
        raise ValueError("no event")


class _Talking:
    def __str__(self) -> str:
        LOG.info("inside")
        return "outside"


class RecordTests(LoggingTestCase):
    """A record is one event."""

    def test_event(self) -> None:
        """It has the name of its logger, its message and its time."""
        before = time.time()
        event = self.one(LOG.warning, "%d are left", 3)
        self.assertEqual((event["log_namespace"], formatEvent(event)), ("shop.basket", "3 are left"))
        self.assertTrue(before <= event["log_time"] <= time.time())

    def test_braces(self) -> None:
        """Braces in a message are not format fields."""
        self.assertEqual(formatEvent(self.one(LOG.info, "{text} {x}")), "{text} {x}")

    def test_levels(self) -> None:
        """It has the next lower level of the log, whatever number an application has chosen."""
        self.level.set("debug")
        for number, name in (
            (10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (40, "error"), (49, "error"),
            (50, "critical"), (1_000, "critical"),
        ):  # fmt: skip
            self.assertEqual(self.one(LOG.log, number, "x")["log_level"].name, name)

    def test_any_level(self) -> None:
        """Numbers below those of logging are debug."""
        for number in (-20, 1):
            self.assertEqual(level_name(number), "debug")

    def test_traceback(self) -> None:
        """It has the traceback of its exception, also of one that was not raised."""
        try:
            raise ValueError("no luck")
        except ValueError:
            event = self.one(LOG.exception, "failed")
        self.assertIn("ValueError: no luck", event["traceback"])
        self.assertIn("test_handlers.py", event["traceback"])
        event = self.one(LOG.info, "failed", exc_info=ValueError("not raised"))
        self.assertEqual(event["traceback"], "ValueError: not raised")
        self.assertEqual(self.one(LOG.error, "x", exc_info=True)["traceback"], "")

    def test_stack(self) -> None:
        """It has the stack of the call, if the call wants that."""
        self.assertIn("in test_stack", self.one(LOG.info, "x", stack_info=True)["traceback"])

    def test_formatted_traceback(self) -> None:
        """It has a traceback that another handler or another process has formatted."""
        record = logging.makeLogRecord({"levelno": 20, "exc_text": "as it was"})
        self.assertEqual(self.one(LOG.handle, record)["traceback"], "as it was")

    def test_wrong_format(self) -> None:
        """A message that cannot be formatted is one event, which says so and where."""
        for message, argument in (("%d", "x"), ("a", 1), ("%s", _Broken())):
            event = self.one(LOG.info, message, argument)
            self.assertRegex(formatEvent(event), r"cannot be formatted with .+ \(.+/test_handlers.py:\d+\): ")
            self.assertEqual(event["log_level"].name, "error")
        self.assertIn("has no text", formatEvent(self.one(LOG.info, _Broken())))

    def test_one_line(self) -> None:
        """It is one line of JSON."""
        file = io.BytesIO()
        LogObserver("json", file.write)(self.one(LOG.error, "a\nb", exc_info=ValueError("c\nd")))
        line = json.loads(file.getvalue())
        self.assertEqual(file.getvalue().count(b"\n"), 1)
        self.assertEqual(
            [line[key] for key in ("level", "namespace", "message")], ["error", "shop.basket", "a\nb"]
        )
        self.assertIn("c\nd", line["traceback"])

    def test_thread(self) -> None:
        """Any thread may log."""

        def log() -> None:
            thread = threading.Thread(target=LOG.info, args=("from a thread",))
            thread.start()
            thread.join()

        self.assertEqual(formatEvent(self.one(log)), "from a thread")


class RobustTests(LoggingTestCase):
    """A call that logs never fails, and never starts a loop."""

    def test_publisher_fails(self) -> None:
        """If the event cannot be made, the record is shown as logging does it."""
        self.patch(self.python._handlers[""], "_publish", self.fails)
        errors = io.StringIO()
        self.patch(sys, "stderr", errors)
        self.assertEqual(self.logged(LOG.info, "a %s", "b"), [])
        self.assertIn("cannot publish", errors.getvalue())

    def fails(self, *arguments: object) -> None:
        """Fail."""
        raise RuntimeError("cannot publish")

    def test_strange_record(self) -> None:
        """A record with attributes of wrong types is an event."""
        for name, value in (("levelno", "x"), ("exc_info", 7), ("args", 7), ("stack_info", 7), ("msg", None)):
            record = logging.makeLogRecord({"msg": "a", "levelno": 20, name: value})
            self.assertEqual(len(self.logged(self.python._handlers[""].handle, record)), 1, name)

    def test_strange_message(self) -> None:
        """A message whose attributes raise is an event."""
        self.assertIn("no event", formatEvent(self.one(LOG.info, _Strange("x"))))

    def test_bridge(self) -> None:
        """With an observer that copies events to logging, each record and each event are there once."""
        observer = STDLibLogObserver()
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.assertEqual(formatEvent(self.one(LOG.info, "from logging")), "from logging")
        self.assertEqual(formatEvent(self.one(Logger().info, "from Twisted")), "from Twisted")

    def test_loop(self) -> None:
        """An observer that logs does not make more and more events."""
        observer = cast(ILogObserver, lambda event: LOG.info("again"))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.assertEqual(formatEvent(self.one(LOG.info, "once")), "once")

    def test_nested(self) -> None:
        """A record that is made while a message is formatted is not lost."""
        events = self.logged(LOG.info, "%s", _Talking())
        self.assertEqual([formatEvent(each) for each in events], ["inside", "outside"])


class LevelTests(LoggingTestCase):
    """The level of the log is that of logging."""

    def test_disabled(self) -> None:
        """A call below the level makes no record; the level can change."""
        made: list[Any] = []
        self.patch(LOG, "makeRecord", partial(self.make, made, LOG.makeRecord))
        for level, number in (("info", 20), ("error", 40), ("warn", 30), ("debug", 10)):
            self.level.set(level)
            made.clear()
            for each in (10, 20, 30, 40):
                LOG.log(each, "x")
            self.assertEqual(made, [each for each in (10, 20, 30, 40) if each >= number])

    def test_loggers(self) -> None:
        """A logger can have another level, for the calls and for the events; later it has that of before."""
        database = logging.getLogger("shop.db")
        self.patch(database, "level", logging.ERROR)
        self.patch(database, "_cache", {})
        for level, loggers, expected in (
            ("info", {"shop.db": "debug", "shop": "error"}, ["shop.db"]),
            ("debug", {"shop.db": "warn"}, ["shop.basket"]),
            ("debug", {}, ["shop.basket"]),
        ):
            self.level.set(level, loggers)
            with capturedLogs() as events:
                for logger in (LOG, database):
                    logger.debug("x")
            self.assertEqual([each["log_namespace"] for each in events], expected)
        self.assertEqual(database.level, logging.ERROR)

    def make(self, made: list[Any], make: Any, name: str, level: int, *arguments: Any) -> logging.LogRecord:
        """Make a record, and remember that."""
        made.append(level)
        record: logging.LogRecord = make(name, level, *arguments)
        return record


class WarningTests(LoggingTestCase):
    """Python's warnings are events."""

    def test_warning(self) -> None:
        """A warning is an event with the place of its cause."""
        self.python.remove()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            self.python.install()
            event = self.one(warnings.warn, "this is old", DeprecationWarning)
        self.assertEqual((event["log_namespace"], event["log_level"].name), ("py.warnings", "warn"))
        self.assertRegex(formatEvent(event), r"test_handlers.py:\d+: DeprecationWarning: this is old")


class RemovalTests(LoggingTestCase):
    """The handlers can be removed."""

    def test_remove(self) -> None:
        """Without them, logging is as it was before."""
        self.python.remove()
        root, asyncio = logging.getLogger(), logging.getLogger("asyncio")
        before = [*root.handlers], root.level, [*asyncio.handlers], asyncio.propagate, warnings.showwarning
        self.python.install()
        self.python.remove()
        self.level.set("error")
        after = [*root.handlers], root.level, [*asyncio.handlers], asyncio.propagate, warnings.showwarning
        self.assertEqual(before, after)
