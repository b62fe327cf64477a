"""Spans as OTLP (protobuf), for a third of what the exporter of OpenTelemetry takes.

That one makes several objects for each attribute, and hashes the resource as JSON for each span. Here are
the bytes of plain spans, as most are; the others, and what a batch has in common, are left to it.

https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto and
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status
from opentelemetry.util.types import AnyValue

from unixsvc.tracing.attributes import UNIQUE
from unixsvc.tracing.sdk_spans import has_lists, plain_attributes

__all__ = ["encode_batch"]

# A field is its number and type, its length unless that is fixed, and its value.
_RESOURCE_SPANS: Final = b"\x0a"  # of ExportTraceServiceRequest
_SCOPE_SPANS: Final = b"\x12"  # of ResourceSpans
_SPAN: Final = b"\x12"  # of ScopeSpans
_IDS: Final = struct.Struct(">2sQQ2sQ").pack  # from here on of Span
_TRACE_STATE: Final = b"\x1a"
_PARENT: Final = b"\x22\x08"
_NAME: Final = b"\x2a"
_KIND_AND_TIMES: Final = struct.Struct("<BBBQBQ").pack
_ATTRIBUTE: Final = b"\x4a"
_STATUS: Final = b"\x7a"
_FLAGS: Final = {remote: struct.pack("<2sI", b"\x85\x01", 0x100 | remote << 9) for remote in (False, True)}
_MESSAGE: Final = b"\x12"  # of Status
_CODE: Final = b"\x18"
_KEY: Final = b"\x0a"  # of KeyValue
_VALUE: Final = b"\x12"
_STRING: Final = b"\x0a"  # of AnyValue
_INTEGER: Final = b"\x18"
_DOUBLE: Final = struct.Struct("<BBd").pack

_SHORT: Final = 64  # characters of a text that is worth keeping
_LOW: Final = (1 << 64) - 1
_SIZES: Final = tuple(bytes((size,)) for size in range(128))
# A server span is 2, as 0 is no kind.
_KINDS: Final = {kind: kind.value + 1 for kind in SpanKind}


def encode_batch(spans: Sequence[ReadableSpan]) -> bytes:
    """The spans as an ``ExportTraceServiceRequest``."""
    groups: dict[tuple[int, int], tuple[ReadableSpan, list[bytes]]] = {}
    others: list[ReadableSpan] = []
    for span in spans:
        encoded = _encode_span(span)
        if encoded is None:
            others.append(span)
        else:
            key = id(span.resource), id(span.instrumentation_scope)
            groups.setdefault(key, (span, []))[1].append(encoded)
    parts = [_encode_group(first, encoded) for first, encoded in groups.values()]
    if others:
        parts.append(encode_spans(others).SerializePartialToString())
    # Two messages, one after the other, are a message with the items of both.
    return b"".join(parts)


def _encode_group(first: ReadableSpan, spans: Iterable[bytes]) -> bytes:
    """Spans of one resource and one scope, both of which the exporter encodes with an empty span."""
    resource, scope_of_all = first.resource, first.instrumentation_scope
    empty = ReadableSpan("", first.context, resource=resource, instrumentation_scope=scope_of_all)
    [around] = encode_spans([empty]).resource_spans
    [scope] = around.scope_spans
    del scope.spans[:]
    inner = scope.SerializePartialToString() + b"".join(spans)
    del around.scope_spans[:]
    outer: bytes = around.SerializePartialToString() + _SCOPE_SPANS + _size(len(inner)) + inner
    return _RESOURCE_SPANS + _size(len(outer)) + outer


def _encode_span(span: ReadableSpan) -> bytes | None:
    """A span as an item of ``ScopeSpans``; None if it has parts that only the exporter encodes."""
    ids, start, end = span.context, span.start_time, span.end_time
    if ids is None or start is None or end is None or span.dropped_attributes or has_lists(span):
        return None
    attributes = _encode_attributes(plain_attributes(span))
    if attributes is None:
        return None
    parent = span.parent
    fields = (
        _IDS(b"\x0a\x10", ids.trace_id >> 64, ids.trace_id & _LOW, b"\x12\x08", ids.span_id)
        + (_encode_state(ids) if ids.trace_state else b"")
        + (b"" if parent is None else _PARENT + parent.span_id.to_bytes(8, "big"))
        + _text(_NAME, span.name)
        + _KIND_AND_TIMES(0x30, _KINDS[span.kind], 0x39, start, 0x41, end)
        + attributes
        + _encode_status(span.status)
        + _FLAGS[parent is not None and parent.is_remote]
    )
    return _SPAN + _size(len(fields)) + fields


def _encode_attributes(attributes: Mapping[str, AnyValue]) -> bytes | None:
    """All attributes; None if one of them is neither a text nor a number."""
    parts: list[bytes] = []
    for name, value in attributes.items():
        if isinstance(value, str):
            known = len(value) <= _SHORT and name not in UNIQUE
            parts.append(_known_text(name, value) if known else _encode_text(name, value))
            continue
        if isinstance(value, float):
            pair = _key(name) + _DOUBLE(9, 0x21, value)
        elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LOW >> 1:
            number = _INTEGER + _size(value)
            pair = _key(name) + _size(len(number)) + number
        else:
            return None
        parts.append(_ATTRIBUTE + _size(len(pair)) + pair)
    return b"".join(parts)


def _encode_text(name: str, value: str) -> bytes:
    text = _text(_STRING, value)
    pair = _key(name) + _size(len(text)) + text
    return _ATTRIBUTE + _size(len(pair)) + pair


_known_text: Final = lru_cache(256)(_encode_text)  # most texts are names, or codes


def _encode_state(ids: SpanContext) -> bytes:
    return _text(_TRACE_STATE, ",".join(f"{key}={value}" for key, value in ids.trace_state.items()))


def _encode_status(status: Status) -> bytes:
    fields = _text(_MESSAGE, status.description) if status.description else b""
    if code := status.status_code.value:
        fields += _CODE + _size(code)
    return _STATUS + _size(len(fields)) + fields


@lru_cache(1024)
def _key(name: str) -> bytes:
    """The name of an attribute, and the number of the field that follows."""
    return _text(_KEY, name) + _VALUE


def _text(field: bytes, text: str) -> bytes:
    data = text.encode("utf-8", "replace")  # paths may have lone surrogates
    return field + _size(len(data)) + data


def _size(number: int) -> bytes:
    """A number as a varint: seven bits in each byte, the lowest first."""
    if number < 128:
        return _SIZES[number]
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
