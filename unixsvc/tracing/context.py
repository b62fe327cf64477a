"""Between ``meta`` and the contexts of OpenTelemetry: always W3C, whatever the environment says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.baggage import get_all
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from unixsvc.domain.trace_context import BAGGAGE, TRACEPARENT, TRACESTATE
from unixsvc.telemetry.trace_ids import NO_TRACE, TraceIds

__all__ = ["context_of", "current_ids", "entries_for", "traceparent_of"]

_trace: Final = TraceContextTextMapPropagator()
_baggage: Final = W3CBaggagePropagator()


def context_of(meta: Mapping[str, str]) -> Context:
    """The context that a request or a call continues."""
    if TRACEPARENT not in meta and BAGGAGE not in meta:  # most
        return Context()
    return _baggage.extract(meta, _trace.extract(meta, Context()))


def entries_for(context: Context) -> dict[str, str]:
    """The entries of ``meta`` that pass a context on."""
    ids: SpanContext = get_current_span(context).get_span_context()
    entries = {TRACEPARENT: traceparent_of(ids)} if ids.is_valid else {}
    if ids.trace_state:
        entries[TRACESTATE] = ids.trace_state.to_header()
    if get_all(context):
        _baggage.inject(entries, context)
    return entries


def traceparent_of(ids: SpanContext) -> str:
    """The ids and the flags of a span for those that it causes.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    # An f-string takes much longer for such numbers.
    return "00-%032x-%016x-%02x" % (ids.trace_id, ids.span_id, ids.trace_flags)  # noqa: UP031


def current_ids() -> TraceIds:
    """The ids of the current span, for the log."""
    span: SpanContext = get_current_span().get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else NO_TRACE
