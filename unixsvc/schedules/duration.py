"""Durations as text."""

from __future__ import annotations

import re
from typing import Final

from unixsvc.errors import ConfigError

__all__ = ["format_duration", "parse_duration"]

_UNITS: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|[dhms])", re.ASCII)


def parse_duration(value: str | float, where: str) -> float:
    """Convert a duration to seconds.

    :param value: a number of seconds, or text such as ``5m``, ``1h30m`` or ``500ms``.
    :param where: for the error message.
    :raises ConfigError: if it is no duration.
    """
    if not isinstance(value, str):
        return float(value)
    seconds, position = 0.0, 0
    while not position or position < len(value):
        part = _PART.match(value, position)
        if part is None:
            raise ConfigError(where, f"{value!r} is no duration", "write it as 30s, 5m, 1h30m or 500ms")
        seconds += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return seconds


def format_duration(seconds: float) -> str:
    """Convert seconds to text that :func:`parse_duration` reads."""
    parts = []
    milliseconds = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
