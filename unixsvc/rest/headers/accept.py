"""What a client says that it can take: RFC 9110, section 12.5. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

__all__ = ["accepts_gzip", "prefers_events"]

_WEIGHT: Final = re.compile(rb"[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*", re.IGNORECASE)
_EVENTS: Final = (b"text/event-stream", b"text/*")
_LINES: Final = (b"application/jsonl", b"application/x-ndjson", b"application/*", b"*/*")


def _weights(values: Sequence[bytes]) -> dict[bytes, float]:
    """What a header names, in lower case, and how much it is wanted; parameters are left out."""
    found: dict[bytes, float] = {}
    for each in b",".join(values).split(b","):
        name, *parameters = each.split(b";")
        weight = 1.0
        for parameter in parameters:
            if matched := _WEIGHT.fullmatch(parameter):
                weight = float(matched[1])
        found[name.strip().lower()] = weight
    return found


@lru_cache(256)
def _accepts_gzip(values: bytes) -> bool:
    weights = _weights([values])
    for name in (b"gzip", b"x-gzip", b"*"):
        if name in weights:
            return weights[name] > 0
    return False


def accepts_gzip(values: Sequence[bytes]) -> bool:
    """Whether an answer may be compressed.

    :param values: of ``Accept-Encoding``; a weight of 0 is a no.
    """
    return bool(values) and _accepts_gzip(b",".join(values))


def prefers_events(values: Sequence[bytes]) -> bool:
    """Whether a stream is to be one of server-sent events: only for a client that names them.

    :param values: of ``Accept``.
    """
    weights = _weights(values)
    events = max((weights.get(each, 0.0) for each in _EVENTS), default=0.0)
    if b"text/event-stream" in weights:
        events = weights[b"text/event-stream"]
    lines = next((weights[each] for each in _LINES if each in weights), 0.0)
    return events > 0 and events >= lines
