"""The ids of the trace that an event of the log belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from unixsvc.domain.request_context import current_request
from unixsvc.domain.trace_context import TRACEPARENT, trace_ids

__all__ = ["NO_TRACE", "TraceIds", "trace_of", "use_spans"]

TraceIds: TypeAlias = tuple[str, str]
"""The ids of a trace and of a span, in hexadecimal; both are empty if there is none."""

NO_TRACE: Final[TraceIds] = ("", "")


class _Spans:
    """What knows the current span: within a request there may be many."""

    current: Callable[[], TraceIds] | None = None


_spans: Final = _Spans()


def use_spans(current: Callable[[], TraceIds] | None) -> None:
    """Use the ids of a current span, if there is one; None for only those of requests."""
    _spans.current = current


def trace_of(event: Mapping[str, object]) -> TraceIds:
    """The ids for an event: its own ``trace``, or those of the span or the request of the calling code.

    An event that says that it belongs to no request, or to another one, has none.
    """
    own = event.get("trace")
    if isinstance(own, tuple) and len(own) == 2:
        return own
    current = current_request()
    if "request_id" in event and (current is None or event["request_id"] != current[0].request_id):
        return NO_TRACE
    if _spans.current is not None and (found := _spans.current())[0]:
        return found
    return NO_TRACE if current is None else trace_ids(current[0].meta.get(TRACEPARENT))
