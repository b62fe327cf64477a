"""Spans of the SDK for less than half of what its tracer takes: a recorded request has to be cheap.

The tracer asks a sampler, whose answer is known here, and checks each attribute; ours are plain texts and
numbers. The spans are still those of the SDK, so that applications and span processors find what they know.
For that, this file uses private names of ``opentelemetry.sdk.trace`` and ``opentelemetry.attributes``; they
were checked with version 1.45. A span is a copy of one that the tracer has made, so fields of other versions
are there too; if a version has other names for those that are changed here, the tracer makes all spans.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from time import time_ns
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context, set_value
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Span, SpanContext, SpanKind, TraceFlags, Tracer, get_current_span
from opentelemetry.util.types import AnyValue

from unixsvc.tracing.attributes import Attributes
from unixsvc.tracing.sampling import RECORDED

__all__ = ["SpanFactory", "has_lists", "plain_attributes", "set_plain_attribute"]

_FIELDS: Final = frozenset(
    {
        "_attributes",
        "_context",
        "_end_time",
        "_events",
        "_kind",
        "_links",
        "_lock",
        "_name",
        "_parent",
        "_record_end_metrics",
        "_span_processor",
        "_start_time",
    }
)
_MOST: Final = 32  # attributes of ours
_RANDOM: Final = int(TraceFlags.RANDOM_TRACE_ID)
_FLAGS: Final = {each: TraceFlags(TraceFlags.SAMPLED | each) for each in (0, _RANDOM)}


class _RecordedSpan(SdkSpan):
    """A span that has not been made by a tracer."""

    # Fields that each span sets; their types are not known without the SDK.
    _attributes: Any
    _span_processor: Any

    def _readable_span(self) -> ReadableSpan:
        """What processors get at its end: no copy, as nothing can change it any more."""
        return self


class SpanFactory:
    """Makes spans that are recorded.

    :param tracer: makes the first span, and all of them if it is none of the SDK.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._fields = _fields_of(tracer)
        self._limits = SpanLimits()
        self._generator: IdGenerator = getattr(tracer, "id_generator", None) or RandomIdGenerator()

    def start(self, name: str, kind: SpanKind, parent: Context, attributes: Attributes) -> Span:
        """Start a span.

        :param parent: has the span that caused it, if there is one.
        :param attributes: plain ones of ours.
        """
        if self._fields is None:
            recorded = set_value(RECORDED, True, parent)
            return self._tracer.start_span(name, recorded, kind=kind, attributes=attributes)
        ids, caused_by = self._ids(parent)
        limits = self._limits
        bounded = BoundedAttributes(limits.max_span_attributes, None, immutable=False)
        bounded._dict = {**attributes}
        span: _RecordedSpan = object.__new__(_RecordedSpan)
        span.__dict__ = {
            **self._fields,
            "_name": name,
            "_kind": kind,
            "_context": ids,
            "_parent": caused_by,
            "_attributes": bounded,
            "_events": BoundedList(limits.max_events),
            "_links": BoundedList(limits.max_links),
            "_lock": threading.Lock(),
            "_start_time": time_ns(),
        }
        span._span_processor.on_start(span, parent_context=parent)
        return span

    def _ids(self, parent: Context) -> tuple[SpanContext, SpanContext | None]:
        """The ids of a span, and those of the span that caused it."""
        generator = self._generator
        if parent:
            above = get_current_span(parent).get_span_context()
            if above.is_valid:
                flags = _FLAGS[above.trace_flags & _RANDOM]
                span_id = generator.generate_span_id()
                return SpanContext(above.trace_id, span_id, False, flags, above.trace_state), above
        flags = _FLAGS[_RANDOM if generator.is_trace_id_random() else 0]
        return SpanContext(generator.generate_trace_id(), generator.generate_span_id(), False, flags), None


def set_plain_attribute(span: Span, name: str, value: str | int) -> None:
    """Set an attribute of a span that has not ended; the value needs no check."""
    if isinstance(span, _RecordedSpan):
        span._attributes._dict[name] = value
    else:
        span.set_attribute(name, value)


def has_lists(span: ReadableSpan) -> bool:
    """Whether a span has events or links."""
    try:
        # The public names make copies, of empty lists too.
        return bool(span._events or span._links)
    except AttributeError:
        return bool(span.events or span.links)


def plain_attributes(span: ReadableSpan) -> Mapping[str, AnyValue]:
    """The attributes of a span: a copy, as to iterate over what the SDK has made of them costs more."""
    bounded = getattr(span, "_attributes", None)
    return bounded.copy() if isinstance(bounded, BoundedAttributes) else span.attributes or {}


def _fields_of(tracer: Tracer) -> Mapping[str, object] | None:
    """What all spans of a tracer have in common; None if the tracer has to make them."""
    limits = SpanLimits()
    most = limits.max_span_attributes
    if not isinstance(tracer, SdkTracer) or limits.max_span_attribute_length is not None:
        return None  # the SDK has been turned off, or the environment limits texts
    if most is not None and most < _MOST:
        return None
    first = tracer.start_span("first", set_value(RECORDED, True, Context()))
    fields = {**getattr(first, "__dict__", {})}
    bounded = fields.get("_attributes")
    if not (fields.keys() >= _FIELDS and isinstance(getattr(bounded, "_dict", None), dict)):
        return None
    return {**fields, "_record_end_metrics": None}  # the counters of the SDK count those of the tracer only
