"""Recorded requests as examples of latencies, for the histogram of Prometheus."""

from __future__ import annotations

from math import frexp
from typing import Final, NamedTuple

from opentelemetry.trace import Span

__all__ = ["MOST", "RecentSpans", "SpanExample"]

MOST: Final = 128
_MAX_ROUTE: Final = 256  # characters; a report has to fit into a line


class SpanExample(NamedTuple):
    """The span of one request.

    :ivar route: its method and pattern, as in the metrics.
    :ivar trace: the id of the trace, in hexadecimal.
    :ivar span: the id of the span.
    :ivar seconds: how long it took.
    :ivar time: when it ended, in seconds since 1970.
    """

    route: str
    trace: str
    span: str
    seconds: float
    time: float


class RecentSpans:
    """Keeps the last span of each route in each power of two of seconds, and at most :data:`MOST` of all."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[str, Span]] = {}

    def note(self, route: str, span: Span) -> None:
        """Keep a span that has ended.

        :param route: as of :class:`SpanExample`; empty for a request without a route, which is not kept.
        """
        if not route or len(route) > _MAX_ROUTE:
            return
        found = self._found
        key = route, frexp(_seconds(span))[1]
        found.pop(key, None)
        found[key] = route, span
        if len(found) > MOST:
            del found[next(iter(found))]

    def examples(self) -> list[SpanExample]:
        """All that are kept, the oldest first."""
        return [_example(route, span) for route, span in self._found.values()]


def _seconds(span: Span) -> float:
    # A span that is recorded has both times; the interface does not say so.
    return float(getattr(span, "end_time", 0) - getattr(span, "start_time", 0)) / 1e9


def _example(route: str, span: Span) -> SpanExample:
    ids = span.get_span_context()
    ended = getattr(span, "end_time", 0) / 1e9
    return SpanExample(route, f"{ids.trace_id:032x}", f"{ids.span_id:016x}", _seconds(span), ended)
