"""The fields that an application adds to an event."""

from __future__ import annotations

import enum
import json
import logging
from typing import Any, cast

from msgspec import Struct
from twisted.logger import LogEvent, Logger, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.log_record import FORMATS, LogRecord
from unixsvc.telemetry.logs import LogLevelFilter, LogObserver, relay
from unixsvc.telemetry.stdlib.fields import json_fields
from unixsvc.telemetry.stdlib.handlers import PythonLogging


class _Colour(enum.StrEnum):
    RED = "red"


class _Secret(Struct):
    password: str

    def __repr__(self) -> str:
        return "<hidden>"


class _Broken:
    def __str__(self) -> str:
        raise ValueError


class JsonFieldsTests(SynchronousTestCase):
    """Values of any type as values of JSON."""

    def test_json(self) -> None:
        """Values of JSON stay what they are; a tuple is a list."""
        plain: dict[Any, Any] = {"a": None, "b": True, "c": -7, "d": 1.5, "e": "x", "f": [1, {"g": []}]}
        self.assertEqual(json_fields(plain), plain)
        self.assertEqual(json_fields({"t": (1, 2)}), {"t": [1, 2]})

    def test_others(self) -> None:
        """Others are their texts, so that an object which hides its secrets does so here."""
        self.assertEqual(json_fields({"s": _Secret("sesame")}), {"s": "<hidden>"})
        self.assertEqual(json_fields({"s": [_Secret("sesame")]}), {"s": ["<hidden>"]})
        self.assertEqual(json_fields(cast(Any, {7: b"x"})), {"7": "b'x'"})
        self.assertEqual(json_fields({"e": _Colour.RED}), {"e": str(_Colour.RED)})
        for value in (float("nan"), float("inf"), 2**70, -(2**70)):
            self.assertEqual(json_fields({"n": value}), {"n": str(value)})
        self.assertIn("has no text", json_fields({"b": _Broken()})["b"])
        self.assertEqual(json_fields({"\udcff": "\udcff"}), {"\\udcff": "\\udcff"})

    def test_deep(self) -> None:
        """What is nested deeply, or in itself, is cut."""
        endless: list[Any] = []
        endless.append(endless)
        deep: Any = "inside"
        for _ in range(10_000):
            deep = [deep]
        for value in (endless, deep):
            self.assertEqual(json_fields({"x": value}), {"x": [[[[[[[["…"]]]]]]]]})

    def test_long(self) -> None:
        """Long values, long lists and long names are cut; that changes no more when it is done again."""
        for value in ("x" * 100_000 + "end", ["x" * 500] * 9 + ["end"], {"k" * 9_999: "v"}, [*range(10_000)]):
            (found,) = json_fields({"x": value}).values()
            self.assertLessEqual(len(json.dumps(found)), 2_100)
            self.assertEqual(json_fields({"x": found}), {"x": found})
        self.assertTrue(json_fields({"x": "x" * 100_000 + "end"})["x"].endswith("end"))

    def test_many(self) -> None:
        """Fields that are too many or too long together are counted."""
        found = json_fields({f"name{number}": "x" * 1_000 for number in range(50)})
        self.assertEqual(found["omitted_fields"], 50 - (len(found) - 1))
        self.assertLess(len(json.dumps(found)), 8_500)
        self.assertEqual(json_fields(found), found)


class EventTests(SynchronousTestCase):
    """Fields from the call to the line."""

    def setUp(self) -> None:
        """Install the handlers."""
        python = PythonLogging(LogLevelFilter("info").observe)
        python.install()
        self.addCleanup(python.remove)

    def logged(self, **extra: object) -> LogEvent:
        """The event of a record with fields."""
        with capturedLogs() as events:
            logging.getLogger("shop").info("sold", extra=extra)
        (event,) = events
        return event

    def line(self, event: LogEvent) -> bytes:
        """The line of a worker."""
        lines: list[bytes] = []
        LogObserver("json", lines.append)(event)
        (line,) = lines
        return line

    def test_json(self) -> None:
        """The JSON format has them under one key, also after the way through the orchestrator."""
        line = self.line(self.logged(product=7, buyer={"name": "Ada"}))
        expected = {"product": 7, "buyer": {"name": "Ada"}}
        self.assertEqual(json.loads(line)["fields"], expected)
        with capturedLogs() as events:
            relay(Logger("shop[1]"), line, "info")
        self.assertEqual(json.loads(self.line(events[0]))["fields"], expected)

    def test_none(self) -> None:
        """A record without such fields has no such key, although other libraries add attributes."""
        self.assertNotIn("fields", json.loads(self.line(self.logged())))

    def test_request_id(self) -> None:
        """An id that the call passes is the id of the event."""
        line = json.loads(self.line(self.logged(request_id="mine", a=1)))
        self.assertEqual((line["request_id"], line["fields"]), ("mine", {"a": 1}))

    def test_twisted(self) -> None:
        """Twisted's logger passes them as ``fields``; anything else there is ignored."""
        with capturedLogs() as events:
            Logger().info("sold", fields={"product": 7})
            Logger().info("sold", fields=7)
        first, second = (json.loads(self.line(event)) for event in events)
        self.assertEqual(first["fields"], {"product": 7})
        self.assertNotIn("fields", second)

    def test_text(self) -> None:
        """The text format has them behind the message, in quotes where that is needed; all is one line."""
        fields = {
            "a": 7,
            "b": "x",
            "c": "two words",
            "d": 'x"y',
            "e": "x=y",
            "f": "a\nb",
            "g": [1],
            "h": "",
            "i j": 1,
        }
        line = FORMATS["text"](LogRecord(1.0, "info", "shop", "sold", fields=fields))
        expected = 'sold a=7 b=x c="two words" d="x\\"y" e="x=y" f="a\\nb" g=[1] h="" "i j"=1\n'
        self.assertTrue(line.endswith(expected.encode()), line)

    def test_forged(self) -> None:
        """A worker that prints an event with fields of any size or depth cannot break the log."""
        for fields in (
            b"7",
            b"[" * 9_999,
            b'{"x":%b}' % (b"[" * 500 + b"]" * 500),
            b'{"x":"%b"}' % (b"y" * 99_999),
        ):
            text = b'{"time":1.0,"level":"info","namespace":"x","message":"y","fields":%b}' % fields
            with capturedLogs() as events:
                relay(Logger("shop[1]"), text, "info")
            self.assertLess(len(self.line(events[0])), 20_000)
