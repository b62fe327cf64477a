"""The spans of calls to services."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.context import Context, get_current, set_value
from opentelemetry.trace import Link, SpanKind, Tracer, get_current_span, set_span_in_context

from unixsvc.domain.request_context import current_request
from unixsvc.domain.trace_context import BAGGAGE, TRACEPARENT, TRACESTATE, is_sampled, mark_unsampled
from unixsvc.tracing.attributes import RPC_STATUS, call_attributes, call_name
from unixsvc.tracing.context import context_of, entries_for
from unixsvc.tracing.sampling import RECORDED
from unixsvc.tracing.sdk_spans import SpanFactory
from unixsvc.tracing.server import served_span
from unixsvc.tracing.span import EndingSpan

__all__ = ["ClientSpans"]

_FAILURE: Final = 400
_ENTRIES: Final = (TRACEPARENT, TRACESTATE, BAGGAGE)


class ClientSpans:
    """Makes the spans of calls.

    :param link_after: calls of a stream that has run for longer begin traces of their own, in seconds.
    :param now: the clock of deadlines, in seconds.
    :param clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        tracer: Tracer,
        link_after: float,
        now: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracer = tracer
        self._spans = SpanFactory(tracer)
        self._link_after = link_after
        self._now = now
        self._clock = clock

    def is_recorded(self, meta: Mapping[str, str] | None) -> bool:
        """Whether a call may have a span. If not, what the request that makes it has is passed on.

        :param meta: of the call.
        """
        current = current_request()
        if current is None:
            return True
        request = current[0]
        inherited = request.meta.get(TRACEPARENT)
        own = None if meta is None else meta.get(TRACEPARENT)
        if own is not None and own != inherited:
            return is_sampled(own)
        if inherited is not None and is_sampled(inherited):
            return True
        mark_unsampled(request)
        return False

    def start(
        self, service: str, method: str, path: str, meta: Mapping[str, str], timeout: float | None
    ) -> tuple[EndingSpan, dict[str, str]]:
        """Start the span of a call.

        :param timeout: of the call, in seconds.
        :returns: the span, and the meta of the call.
        """
        parent, links = self._parent(meta)
        name = call_name(service, method)
        attributes = call_attributes(service, method, path, self._left(timeout))
        if not links and get_current_span(parent).get_span_context().trace_flags.sampled:
            span = self._spans.start(name, SpanKind.CLIENT, parent, attributes)
        else:  # the sampler decides
            span = self._tracer.start_span(
                name, parent, kind=SpanKind.CLIENT, attributes=attributes, links=links
            )
        context = set_span_in_context(span, parent)
        rest = {name: value for name, value in meta.items() if name not in _ENTRIES}
        return EndingSpan(span, context, RPC_STATUS, _FAILURE, is_text=True), rest | entries_for(context)

    def _parent(self, meta: Mapping[str, str]) -> tuple[Context, list[Link]]:
        """The context of a call: a given one, that of the running code, or that of its request."""
        current, context = current_request(), get_current()
        inherited = {} if current is None else current[0].meta
        own = meta.get(TRACEPARENT)
        if own is not None and own != inherited.get(TRACEPARENT):
            return context_of(meta), []
        served = served_span(context)
        since = None if served is None else served.streams_since
        if served is not None and since is not None and self._clock() - since > self._link_after:
            # An endless stream would have an endless trace.
            return set_value(RECORDED, True, Context()), [Link(served.span.get_span_context())]
        if get_current_span(context).get_span_context().is_valid:
            return context, []
        return context_of(inherited) if inherited else context, []

    def _left(self, timeout: float | None) -> float | None:
        """The seconds that the call has: its own, or those of the request that makes it."""
        current = current_request()
        if current is None or self._now is None:
            return timeout
        left = current[1] - self._now()
        if timeout is not None:
            left = min(left, timeout)
        return left if left < 1e9 else None
