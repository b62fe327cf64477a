"""The spans of the requests that a service serves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from opentelemetry.context import Context, get_value
from opentelemetry.trace import SpanKind, Tracer, set_span_in_context

from unixsvc.domain.message import Request
from unixsvc.domain.trace_context import (
    TRACEPARENT,
    drop_meta,
    is_sampled,
    is_traceparent,
    mark_unsampled,
    set_meta,
)
from unixsvc.tracing.attributes import (
    HTTP_STATUS,
    RPC_STATUS,
    http_attributes,
    http_name,
    job_attributes,
    rpc_attributes,
    rpc_name,
)
from unixsvc.tracing.context import context_of, traceparent_of
from unixsvc.tracing.exemplars import RecentSpans
from unixsvc.tracing.sampling import Countdown, gap
from unixsvc.tracing.sdk_spans import SpanFactory
from unixsvc.tracing.span import EndingSpan

__all__ = ["ServedSpan", "ServerSpans", "served_span"]

_FAILURE: Final = 500
_SERVED: Final = "unixsvc-served"


class ServedSpan(EndingSpan):
    """The span of a request.

    :ivar series: the route in the metrics, as ``GET /user/{id}``; empty without one.
    :ivar streams_since: when its stream has begun, on a monotonic clock; None if it is no stream.
    """

    __slots__ = ("series", "streams_since")

    series: str
    streams_since: float | None


def served_span(context: Context) -> ServedSpan | None:
    """The span of the request that code with a context serves; None if it serves none that is recorded."""
    found = get_value(_SERVED, context)
    return found if isinstance(found, ServedSpan) else None


class ServerSpans:
    """Chooses the requests that are recorded, and makes their spans.

    :param service: the name of the service.
    :param share: of the requests without a recorded caller.
    :param trust_http: whether clients over HTTP may have more than this share recorded.
    :param draw: as :func:`~unixsvc.tracing.sampling.gap`.
    :param clock: a monotonic clock, in seconds.
    :ivar roots: counts requests whose callers have not decided.
    :ivar recent: the last spans of each route.
    """

    def __init__(
        self,
        service: str,
        tracer: Tracer,
        share: float,
        *,
        trust_http: bool = False,
        draw: Callable[[float], int] = gap,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._spans = SpanFactory(tracer)
        self._trust_http = trust_http
        self._clock = clock
        self._from_http = Countdown(share, draw)
        self._jobs = Countdown(share, draw)
        self._active: dict[int, ServedSpan] = {}
        self.roots = Countdown(share, draw)
        self.recent = RecentSpans()

    def caller_decides(self, request: Request) -> bool | None:
        """Whether the caller records the trace; None if it leaves that to the service."""
        traceparent = request.meta.get(TRACEPARENT)
        if traceparent is None:
            return None
        if not is_traceparent(traceparent):
            drop_meta(request, TRACEPARENT)
            return None
        if not is_sampled(traceparent):
            return False
        if request.headers is None or self._trust_http:
            return True
        if self._from_http.is_due():
            return True
        mark_unsampled(request)
        return False

    def start(self, request: Request, route: tuple[str, str], deadline_left: float) -> ServedSpan:
        """Start the span of a request, which calls to other services and the log find in its ``meta``.

        :param route: its method and its pattern; both are empty without one.
        """
        method, pattern = route
        parent = context_of(request.meta)
        over_http = request.headers is not None
        if over_http:
            name, attributes = http_name(request, pattern), http_attributes(request, pattern, deadline_left)
        else:
            name = rpc_name(self._service, request, pattern)
            attributes = rpc_attributes(self._service, request, pattern, deadline_left)
        span = self._spans.start(name, SpanKind.SERVER, parent, attributes)
        status = HTTP_STATUS if over_http else RPC_STATUS
        served = ServedSpan(span, parent, status, _FAILURE, is_text=not over_http)
        served.series = f"{method} {pattern}" if pattern else ""
        served.streams_since = None
        served.context = set_span_in_context(span, Context({**parent, _SERVED: served}))
        set_meta(request, {TRACEPARENT: traceparent_of(span.get_span_context())})
        self._active[request.number] = served
        return served

    def start_job(self, request: Request, attempt: int) -> EndingSpan | None:
        """Start the span of a run of a job, if it is one of those that are recorded.

        :param request: stands for the run; its path is the name of the schedule.
        :param attempt: 1, or more if earlier runs for the same tick were interrupted.
        """
        if not self._jobs.is_due():
            return None
        nothing = Context()
        attributes = job_attributes(request, attempt)
        span = self._spans.start(request.path, SpanKind.INTERNAL, nothing, attributes)
        set_meta(request, {TRACEPARENT: traceparent_of(span.get_span_context())})
        return EndingSpan(span, set_span_in_context(span, nothing), RPC_STATUS, _FAILURE, is_text=True)

    def streams(self, served: ServedSpan) -> None:
        """The reply is a stream, or the request a WebSocket: it may last."""
        served.streams_since = self._clock()
        served.items = 0

    def failed(self, error: BaseException, request: Request) -> None:
        """Record an exception that the peer must not see."""
        served = self._active.get(request.number)
        if served is not None:
            served.fail(error)

    def end(self, request: Request, served: ServedSpan, code: int) -> None:
        """End the span of a request."""
        self._active.pop(request.number, None)
        if not served.ended:
            served.end(code)
            self.recent.note(served.series, served.span)
