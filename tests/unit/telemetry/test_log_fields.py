"""JSON lines with the names of other schemas."""

from __future__ import annotations

import json

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.telemetry.access.test_entry import PLAIN
from tests.unit.tracing.recorded import PARENT, SPAN, TRACE
from unixsvc.telemetry.access.entry import EntryFormat
from unixsvc.telemetry.log_fields import FIELD_NAMES
from unixsvc.telemetry.log_record import LogRecord

FAILED = LogRecord(
    1_700_000_000.25,
    "error",
    "shop[1]",
    "no\u202eluck",
    "r1",
    "Traceback",
    "db",
    {"product": 7, "tags": [1, "x"]},
)
ACCESS = EntryFormat("shop", 2).record(PLAIN)


class FieldTests(SynchronousTestCase):
    """The names and types that the schemas ask for."""

    def test_ecs(self) -> None:
        """Elastic Common Schema; what it has no field for is a label, and no label is nested."""
        self.assertEqual(
            json.loads(FIELD_NAMES["ecs"](FAILED)),
            {
                "@timestamp": "2023-11-14T22:13:20.250000Z",
                "log.level": "error",
                "message": "no\u202eluck",
                "ecs.version": "9.0.0",
                "service.name": "shop",
                "service.node.name": "shop[1]",
                "log.logger": "db",
                "http.request.id": "r1",
                "error.stack_trace": "Traceback",
                "labels": {"product": 7, "tags": '[1,"x"]'},
            },
        )

    def test_ecs_access(self) -> None:
        """A request has the fields for HTTP, and its duration in nanoseconds."""
        line = json.loads(FIELD_NAMES["ecs"](ACCESS))
        shown = (
            line["http.request.method"],
            line["url.path"],
            line["http.response.status_code"],
            line["labels"],
        )
        self.assertEqual(shown, ("GET", "/show/7", 200, {"route": "GET /show/{id:int}"}))
        self.assertEqual((line["event.duration"], line["service.node.name"]), (1_234_000, "shop[2]"))
        self.assertNotIn("user.name", line)

    def test_otel(self) -> None:
        """OpenTelemetry's data model."""
        self.assertEqual(
            json.loads(FIELD_NAMES["otel"](FAILED)),
            {
                "Timestamp": "1700000000250000000",
                "SeverityText": "ERROR",
                "SeverityNumber": 17,
                "Body": "no\u202eluck",
                "Resource": {"service.name": "shop", "service.instance.id": "shop[1]"},
                "InstrumentationScope": {"Name": "db"},
                "Attributes": {
                    "product": 7,
                    "tags": [1, "x"],
                    "exception.stacktrace": "Traceback",
                    "unixsvc.request.id": "r1",
                },
            },
        )

    def test_otel_access(self) -> None:
        """A request has the attributes of the semantic conventions."""
        attributes = json.loads(FIELD_NAMES["otel"](ACCESS))["Attributes"]
        self.assertEqual(attributes["http.route"], "/show/{id:int}")
        self.assertEqual(attributes["http.response.status_code"], 200)
        self.assertEqual(attributes["unixsvc.request.duration"], 0.001234)

    def test_trace(self) -> None:
        """Events of a trace have its ids, those of the access log too; others have none."""
        entry = structs.replace(PLAIN, traceparent=PARENT)
        for record in (
            structs.replace(FAILED, trace_id=TRACE, span_id=SPAN),
            EntryFormat("shop", 2).record(entry),
        ):
            line = json.loads(FIELD_NAMES["ecs"](record))
            self.assertEqual((line["trace.id"], line["span.id"]), (TRACE, SPAN))
            line = json.loads(FIELD_NAMES["otel"](record))
            self.assertEqual((line["TraceId"], line["SpanId"]), (TRACE, SPAN))
        names = {"trace.id", "span.id", "TraceId", "SpanId"}
        for record in FAILED, ACCESS:
            for write in FIELD_NAMES.values():
                self.assertEqual(names & json.loads(write(record)).keys(), set())

    def test_escaped(self) -> None:
        """Characters that could be taken for something else are escaped, as in the other formats."""
        for write in FIELD_NAMES.values():
            self.assertTrue(write(FAILED).isascii())
            self.assertEqual(write(FAILED).count(b"\n"), 1)
