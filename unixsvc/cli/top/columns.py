"""The columns of the table: their formats, and which of them fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from unixsvc.cli.top.rows import Figures, Row

__all__ = ["COLUMNS", "Column", "cells", "fitting", "sort_value"]

_NAME: Final = 18  # the least number of characters for names
_GAP: Final = 1
_LARGE: Final = 100_000
_THREE_DIGITS: Final = 100
_TWO_DIGITS: Final = 10


class Column(Struct, frozen=True):
    """A column.

    :ivar key: its name in options.
    :ivar field: the field of :class:`~unixsvc.cli.top.rows.Figures`.
    :ivar rank: the columns with the highest ranks are left out first where space is short.
    """

    key: str
    title: str
    width: int
    field: str
    format: Callable[[float], str]
    rank: int

    def text(self, figures: Figures) -> str:
        """The cell."""
        value = getattr(figures, self.field)
        return "" if value is None else self.format(value)


def _number(value: float) -> str:
    """A number with about three digits."""
    if value >= _LARGE:
        return f"{value / 1e6:.1f}M" if value >= 1e6 else f"{value / 1e3:.0f}k"
    if value >= _THREE_DIGITS or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= _TWO_DIGITS else f"{value:.2f}"


def _milliseconds(seconds: float) -> str:
    return _number(seconds * 1000)


def _mebibytes(size: float) -> str:
    return f"{size / 2**20:.0f}" if size < _LARGE * 2**20 else f"{size / 2**30:.0f}G"


def _kibibytes(size: float) -> str:
    return _number(size / 1024)


def _percent(share: float) -> str:
    return f"{share * 100:.0f}"


def _duration(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds / length)}{unit}"
    return f"{int(seconds)}s"


COLUMNS: Final = (
    Column("requests", "REQUESTS", 9, "requests", _number, 12),
    Column("rate", "REQ/s", 6, "request_rate", _number, 1),
    Column("errors", "ERR/s", 6, "error_rate", _number, 2),
    Column("p50", "P50ms", 6, "p50", _milliseconds, 8),
    Column("p99", "P99ms", 6, "p99", _milliseconds, 3),
    Column("inflight", "FLY", 4, "inflight", _number, 5),
    Column("connections", "CONN", 5, "connections", _number, 9),
    Column("received", "INKiB/s", 7, "received_rate", _kibibytes, 13),
    Column("sent", "OUTKiB/s", 8, "sent_rate", _kibibytes, 14),
    Column("memory", "MiB", 5, "memory", _mebibytes, 7),
    Column("cpu", "CPU%", 4, "cpu", _percent, 4),
    Column("restarts", "RST", 4, "restarts", _number, 6),
    Column("lag", "LAGms", 5, "lag", _milliseconds, 10),
    Column("uptime", "UP", 4, "uptime", _duration, 11),
)
"""The columns, as they stand from left to right."""


def fitting(width: int) -> tuple[Column, ...]:
    """The columns that fit beside the names.

    :param width: of the terminal, in characters.
    """
    left = max(width - _NAME, 0)
    kept = set()
    for column in sorted(COLUMNS, key=lambda each: each.rank):
        left -= column.width + _GAP
        if left < 0:
            break
        kept.add(column.key)
    return tuple(each for each in COLUMNS if each.key in kept)


def cells(figures: Figures, columns: tuple[Column, ...]) -> str:
    """The cells of a row, aligned."""
    return "".join(" " * _GAP + each.text(figures).rjust(each.width) for each in columns)


def sort_value(row: Row, key: str) -> tuple[bool, float, str]:
    """What rows are sorted by, the least first; those without a value come last.

    :param key: of a column; ``name`` for names from A to Z, everything else is from the largest.
    """
    if key == "name":
        return False, 0.0, row.name
    [field] = [each.field for each in COLUMNS if each.key == key]
    value = getattr(row.figures, field)
    return value is None, -(value or 0.0), row.name
