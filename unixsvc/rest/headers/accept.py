"""Content negotiation with ``Accept`` and ``Accept-Encoding`` (RFC 9110, section 12.5). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from werkzeug.http import parse_accept_header

__all__ = ["accepts_gzip", "prefers_events"]

_GZIP: Final = ("gzip", "x-gzip", "*")
_EVENTS: Final = "text/event-stream"
_LINES: Final = ("application/jsonl", "application/x-ndjson", "application/*", "*/*")


def _qualities(values: bytes) -> dict[str, float]:
    """The quality of each item of a header, by its name in lower case, without parameters."""
    items = parse_accept_header(values.decode("latin-1"))
    return {item.partition(";")[0].strip().lower(): quality for item, quality in items}


# Parsing takes some 20 µs, and most clients send the same values.
@lru_cache(256)
def _accepts_gzip(values: bytes) -> bool:
    qualities = _qualities(values)
    return next((qualities[name] > 0 for name in _GZIP if name in qualities), False)


def accepts_gzip(values: Sequence[bytes]) -> bool:
    """Whether a response may be compressed with gzip.

    :param values: of ``Accept-Encoding``; a quality of 0 excludes a coding.
    """
    return bool(values) and _accepts_gzip(b",".join(values))


@lru_cache(256)
def _prefers_events(values: bytes) -> bool:
    qualities = _qualities(values)
    events = qualities.get(_EVENTS, qualities.get("text/*", 0.0))
    lines = next((qualities[name] for name in _LINES if name in qualities), 0.0)
    return events > 0 and events >= lines


def prefers_events(values: Sequence[bytes]) -> bool:
    """Whether a stream is sent as server-sent events: only to a client that asks for them.

    :param values: of ``Accept``.
    """
    return _prefers_events(b",".join(values))
