"""One request of the access log, and the lines of the log that it becomes."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from unixsvc.domain.json import JsonObject
from unixsvc.domain.trace_context import trace_ids
from unixsvc.telemetry.log_record import FORMATS, LogRecord, limited_name
from unixsvc.telemetry.stdlib.fields import json_fields

__all__ = ["MESSAGE", "NAMESPACE", "Entry", "EntryFormat", "fields_of", "read_entries"]

NAMESPACE: Final = "unixsvc.access"
"""The name of the logger, for ``[log.loggers]``."""
MESSAGE: Final = "request"

_SECOND: Final = 1_000_000_000  # nanoseconds
_MILLION: Final = 1_000_000

# The characters of texts that need no escape, neither in JSON nor in a terminal. The end of a line is not one
# of a text, but lines are looked at together.
_PLAIN: Final = "".join(
    sorted({*string.ascii_letters, *string.digits, *string.punctuation, " ", "\n"} - {"\\", '"'})
)
_NOTHING: Final = str.maketrans("", "", _PLAIN)


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """A request, as a worker notes it.

    :ivar time: nanoseconds since 1970.
    :ivar micros: the time in the worker, in microseconds.
    :ivar size: of the result, in bytes.
    :ivar traceparent: of the request, of W3C Trace Context; it need not be valid.
    """

    # The bounds are those of what a line can show: an application could have noted anything.
    time: Annotated[int, Meta(gt=0, le=2**62)]
    request_id: str
    method: str
    path: str
    route: str | None
    code: int
    micros: Annotated[int, Meta(ge=0, le=2**62)]
    size: int
    caller: str | None
    address: str | None = None
    traceparent: str | None = None


_decode: Final = msgspec.json.Decoder(Entry).decode_lines


def read_entries(lines: bytes) -> list[Entry] | None:
    """Read entries, each on a line; None if they are none."""
    try:
        return _decode(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def fields_of(entry: Entry, service: str, slot: int) -> JsonObject:
    """The fields of the event."""
    fields: JsonObject = {
        "service": service,
        "worker": slot,
        "method": entry.method,
        "path": entry.path,
        "route": entry.route,
        "code": entry.code,
        "ms": entry.micros / 1000,
        "bytes": entry.size,
        "caller": entry.caller,
    }
    return fields | {"address": entry.address} if entry.address else fields


class EntryFormat:
    """Makes lines of the entries of one worker.

    Most entries have no text that must be escaped, and become a line by one expression, without a look at
    each text: one look at all of them together finds the others.

    :param slot: of the worker.
    """

    def __init__(self, service: str, slot: int) -> None:
        self._service = service
        self._slot = slot
        self._name = f"{service}[{slot}]"
        self._start = f',"level":"info","namespace":{_json(self._name)},"message":"{MESSAGE}","request_id":"'
        self._fields = (
            f'","logger":"{NAMESPACE}","fields":{{"service":{_json(service)},"worker":{slot},"method":"'
        )

    def as_json(self, entries: Sequence[Entry]) -> bytes:
        """The lines of the JSON format."""
        if not _are_plain(entries):
            return self.in_format(entries, FORMATS["json"])
        start, fields = self._start, self._fields
        return "".join(
            [
                f'{{"time":{each.time // _SECOND}.{each.time // 1000 % _MILLION:06d}{start}{each.request_id}'
                f'{fields}{each.method}","path":"{each.path}",'
                f'"route":{_quoted(each.route)},"code":{each.code},"ms":{each.micros / 1000},'
                f'"bytes":{each.size},"caller":{_quoted(each.caller)}'
                f"{_address(each.address)}}}{_trace(each.traceparent) if each.traceparent else ''}}}\n"
                for each in entries
            ]
        ).encode()

    def in_format(self, entries: Sequence[Entry], to_line: Callable[[LogRecord], bytes]) -> bytes:
        """The lines of any format.

        :param to_line: makes the line of an event.
        """
        return b"".join([to_line(self.record(each)) for each in entries])

    def record(self, entry: Entry) -> LogRecord:
        """An entry as an event."""
        fields = fields_of(entry, self._service, self._slot)
        trace_id, span_id = trace_ids(entry.traceparent)
        return LogRecord(
            entry.time / _SECOND,
            "info",
            self._name,
            MESSAGE,
            limited_name(entry.request_id),
            logger=NAMESPACE,
            fields=json_fields(fields),
            trace_id=trace_id,
            span_id=span_id,
        )


def _are_plain(entries: Sequence[Entry]) -> bool:
    texts = "".join(
        [
            f"{each.request_id}{each.method}{each.path}{each.route}{each.caller}{each.address}"
            for each in entries
        ]
    )
    return not texts.translate(_NOTHING) and "\n" not in texts


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


def _address(text: str | None) -> str:
    return f',"address":"{text}"' if text else ""


def _trace(traceparent: str) -> str:
    trace_id, span_id = trace_ids(traceparent)
    return f',"trace_id":"{trace_id}","span_id":"{span_id}"' if trace_id else ""


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()
