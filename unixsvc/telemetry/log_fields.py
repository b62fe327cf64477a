"""JSON lines with the field names of the Elastic Common Schema, and of OpenTelemetry's log data model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from unixsvc.domain.json import Json, JsonObject
from unixsvc.telemetry.escapes import escape_json
from unixsvc.telemetry.log_record import LogRecord

__all__ = ["FIELD_NAMES"]

_ECS_VERSION: Final = "9.0.0"
# https://opentelemetry.io/docs/specs/otel/logs/data-model/#severity-fields
_SEVERITIES: Final = {"debug": 5, "info": 9, "warn": 13, "error": 17, "critical": 21}
_ACCESS: Final = "unixsvc.access"
# https://www.elastic.co/docs/reference/ecs/ecs-field-reference; what it has no field for is a label.
_ECS_ACCESS: Final = {
    "method": "http.request.method",
    "path": "url.path",
    "code": "http.response.status_code",
    "bytes": "http.response.body.bytes",
    "address": "client.address",
    "caller": "user.name",
}
_ROUTE: Final = "http.route"
# https://opentelemetry.io/docs/specs/semconv/registry/attributes/
_OTEL_ACCESS: Final = {
    "method": "http.request.method",
    "path": "url.path",
    "route": _ROUTE,
    "code": "http.response.status_code",
    "bytes": "http.response.body.size",
    "address": "client.address",
    "caller": "enduser.id",
}
_KNOWN: Final = ("service", "worker", "ms")  # they are elsewhere in an event


def _as_ecs(record: LogRecord) -> bytes:
    service = record.namespace.partition("[")[0]
    time = datetime.fromtimestamp(record.time, UTC)
    line: JsonObject = {
        "@timestamp": time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "log.level": record.level,
        "message": record.message,
        "ecs.version": _ECS_VERSION,
        "service.name": service,
        "service.node.name": record.namespace,
        "log.logger": record.logger or record.namespace,
    }
    if record.request_id:
        line["http.request.id"] = record.request_id
    if record.trace_id:
        line |= {"trace.id": record.trace_id, "span.id": record.span_id}
    if record.traceback:
        line["error.stack_trace"] = record.traceback
    named, others = _split(record, _ECS_ACCESS)
    line |= named
    if record.logger == _ACCESS and isinstance(milliseconds := record.fields.get("ms"), int | float):
        line["event.duration"] = round(milliseconds * 1_000_000)
        line["event.dataset"] = _ACCESS
    if others:
        line["labels"] = {name: _as_label(value) for name, value in others.items()}
    return _line(line)


def _as_otel(record: LogRecord) -> bytes:
    attributes, others = _split(record, _OTEL_ACCESS)
    attributes |= others
    if isinstance(route := attributes.get(_ROUTE), str):
        attributes[_ROUTE] = route.partition(" ")[2]  # without the method
    if record.traceback:
        attributes["exception.stacktrace"] = record.traceback
    if record.request_id:
        attributes["unixsvc.request.id"] = record.request_id
    if record.logger == _ACCESS and isinstance(milliseconds := record.fields.get("ms"), int | float):
        attributes["unixsvc.request.duration"] = milliseconds / 1000
    line: JsonObject = {
        "Timestamp": str(round(record.time * 1_000_000) * 1000),
        "SeverityText": record.level.upper(),
        "SeverityNumber": _SEVERITIES.get(record.level, 9),
        "Body": record.message,
        "Resource": {
            "service.name": record.namespace.partition("[")[0],
            "service.instance.id": record.namespace,
        },
        "InstrumentationScope": {"Name": record.logger or record.namespace},
        "Attributes": attributes,
    }
    if record.trace_id:
        line |= {"TraceId": record.trace_id, "SpanId": record.span_id}
    return _line(line)


def _split(record: LogRecord, names: dict[str, str]) -> tuple[JsonObject, JsonObject]:
    """The fields that have a name in a schema, with it, and the others. Only the access log has such."""
    if record.logger != _ACCESS:
        return {}, dict(record.fields)
    fields = {
        name: value for name, value in record.fields.items() if name not in _KNOWN and value is not None
    }
    named = {names[name]: value for name, value in fields.items() if name in names}
    return named, {name: value for name, value in fields.items() if name not in names}


def _as_label(value: Json) -> Json:
    """A value as a label: these are never nested."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


def _line(line: JsonObject) -> bytes:
    return escape_json(msgspec.json.encode(line).decode()).encode() + b"\n"


FIELD_NAMES: Final[dict[str, Callable[[LogRecord], bytes]]] = {"ecs": _as_ecs, "otel": _as_otel}
"""Makes the line of an event, by ``[log] fields``."""
