"""W3C Trace Context and Baggage in the ``meta`` of requests. Pure, and without OpenTelemetry.

https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/
"""

from __future__ import annotations

import random
import re
from typing import Final

from msgspec.structs import force_setattr

from unixsvc.domain.message import Request

__all__ = [
    "BAGGAGE",
    "MAX_BAGGAGE",
    "MAX_TRACESTATE",
    "NOT_SAMPLED",
    "TRACEPARENT",
    "TRACESTATE",
    "drop_meta",
    "inherited_meta",
    "is_sampled",
    "is_traceparent",
    "mark_unsampled",
    "set_meta",
    "trace_ids",
]

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
MAX_TRACESTATE: Final = 512
"""Characters that have to be passed on; longer ones are dropped, as they are repeated with each call."""
MAX_BAGGAGE: Final = 8192
NOT_SAMPLED: Final = "00"
"""The last two characters of a ``traceparent`` whose trace is not recorded, mostly."""

# The entries that calls to other services inherit, with their longest values. A server checks the first one.
_INHERITED: Final = ((TRACEPARENT, 255), (TRACESTATE, MAX_TRACESTATE), (BAGGAGE, MAX_BAGGAGE))
_IDS: Final = "-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
# Later versions may have more after the flags.
_TRACEPARENT: Final = re.compile(rf"00{_IDS}|(?!00|ff)[0-9a-f]{{2}}{_IDS}(?:-[\x21-\x7e]{{0,200}})?")
_FLAGS: Final = slice(53, 55)
_ODD: Final = frozenset("13579bdf")


def inherited_meta(request: Request) -> dict[str, str]:
    """The entries of ``meta`` that a call has from the request that is being served."""
    inherited = {"request_id": request.request_id}
    meta = request.meta
    if meta:
        for name, longest in _INHERITED:
            value = meta.get(name)
            if value is not None and len(value) <= longest:
                inherited[name] = value
    return inherited


def is_traceparent(value: str) -> bool:
    """Whether a value is valid."""
    return _TRACEPARENT.fullmatch(value) is not None


def is_sampled(traceparent: str) -> bool:
    """Whether the flag is set which says that the caller records the trace."""
    return traceparent[54:55] in _ODD and is_traceparent(traceparent)


def trace_ids(traceparent: str | None) -> tuple[str, str]:
    """The ids of the trace and of the span of a ``traceparent``; empty if it is not valid, or None."""
    if traceparent is None or not is_traceparent(traceparent):
        return "", ""
    return traceparent[3:35], traceparent[36:52]


def mark_unsampled(request: Request) -> None:
    """Have the services that a request's action calls not record its trace, as this one does not."""
    traceparent = request.meta.get(TRACEPARENT)
    if traceparent is not None and is_traceparent(traceparent):
        if is_sampled(traceparent):
            changed = traceparent[: _FLAGS.start] + NOT_SAMPLED + traceparent[_FLAGS.stop :]
            set_meta(request, {TRACEPARENT: changed})
        return
    # Zeros are not valid.
    trace, span = random.getrandbits(128) or 1, random.getrandbits(64) or 1
    set_meta(request, {TRACEPARENT: f"00-{trace:032x}-{span:016x}-{NOT_SAMPLED}"})


def set_meta(request: Request, entries: dict[str, str]) -> None:
    """Set entries of the ``meta`` of a request. Others may share the dict, so it is replaced."""
    force_setattr(request, "meta", {**request.meta, **entries})


def drop_meta(request: Request, name: str) -> None:
    """Remove an entry of the ``meta`` of a request."""
    force_setattr(request, "meta", {key: value for key, value in request.meta.items() if key != name})
