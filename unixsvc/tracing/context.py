"""Between ``meta`` and the contexts of OpenTelemetry: always W3C, whatever the environment says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from unixsvc.telemetry.trace_ids import NO_TRACE, TraceIds

__all__ = ["context_of", "current_ids", "entries_for"]

_trace: Final = TraceContextTextMapPropagator()
_baggage: Final = W3CBaggagePropagator()


def context_of(meta: Mapping[str, str]) -> Context:
    """The context that a request or a call continues."""
    return _baggage.extract(meta, _trace.extract(meta, Context()))


def entries_for(context: Context) -> dict[str, str]:
    """The entries of ``meta`` that pass a context on."""
    entries: dict[str, str] = {}
    _trace.inject(entries, context)
    _baggage.inject(entries, context)
    return entries


def current_ids() -> TraceIds:
    """The ids of the current span, for the log."""
    span: SpanContext = get_current_span().get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else NO_TRACE
