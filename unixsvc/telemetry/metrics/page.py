"""The counters of one worker, in memory that it shares with the orchestrator.

What a worker has counted is known even if it is killed. The memory has

- a page with totals,
- the names of the rows: route and caller,
- a page of memory for each row: the histogram of latencies, and the replies by code.

Each word has one writer, and an aligned word of eight bytes is written at once, so there is no lock. A row is
written to only after its name, and the number of rows is written last.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final, TypeAlias

from unixsvc.domain.latency_buckets import BUCKETS
from unixsvc.domain.path_prefix import HEALTH_ROUTES
from unixsvc.errors import Cancelled
from unixsvc.shared_memory import make_shared_memory
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot, SeriesCounts, Totals

__all__ = ["CALLS", "CODE_WORDS", "MAX_ROWS", "OTHER", "OTHER_CODE", "MetricsPage", "PageWriter"]

_PAGE: Final = 4096  # bytes
_WORDS: Final = _PAGE // 8
_NAME: Final = 256  # bytes
OTHER: Final = "other"
"""The name of the routes and callers that share a row, as there are too many."""
MAX_ROWS: Final = 1024
"""The most rows that there are: more than a worker needs that has 30 routes and 30 callers."""
CALLS: Final = "\x01"
"""What the rows of calls to other services begin with; the rest is the name of the service."""
_NAMES: Final = _PAGE
_ROWS: Final = _NAMES + MAX_ROWS * _NAME
_SIZE: Final = _ROWS + MAX_ROWS * _PAGE
_EMPTY: Final = bytes(_PAGE)

# The words of a row after its buckets.
_CODES: Final = sorted({*(each.value for each in HTTPStatus if each > 200), 101, Cancelled.code})
CODE_WORDS: Final = {code: BUCKETS + index for index, code in enumerate(_CODES)}
"""The words of a row with the number of replies by code, except 200, which is what is left."""
OTHER_CODE: Final = _WORDS - 1
"""The word for all other codes, which count as 0."""

_CODE_OF: Final = {word: code for code, word in CODE_WORDS.items()}
_GROUP: Final = 16  # words
_EMPTY_GROUP: Final = bytes(_GROUP * 8)

_Read: TypeAlias = Callable[[int, int], bytes]

# The words of the first page.
_USED: Final = 0
_TOTALS: Final = {name: index for index, name in enumerate(Totals.__struct_fields__, 1)}


class MetricsPage:
    """The memory, as the orchestrator sees it.

    :raises OSError: if no file descriptor is left.
    """

    def __init__(self) -> None:
        self._file = make_shared_memory("unixsvc-metrics", _SIZE)
        self._close = weakref.finalize(self, os.close, self._file)

    def fileno(self) -> int:
        """The file descriptor, for the worker."""
        return self._file

    def read(self) -> MetricsSnapshot:
        """What has been counted until now."""
        return _read(lambda start, size: os.pread(self._file, size, start))

    def close(self) -> None:
        """Release the memory."""
        self._close()


class PageWriter:
    """The memory, as the worker sees it.

    :param file: the file descriptor; None for memory of this process only.
    """

    def __init__(self, file: int | None = None) -> None:
        self._memory = mmap.mmap(-1 if file is None else file, _SIZE)
        self._words = memoryview(self._memory).cast("q")
        self._used = 0
        self._rest = self._new_row(OTHER, OTHER)

    @property
    def full(self) -> bool:
        """Whether there can be no more rows."""
        return self._used == MAX_ROWS

    def add_row(self, route: str, caller: str) -> tuple[memoryview, bool]:
        """Add a row.

        :returns: its words, and whether it is new: if there are too many, the rest shares one.
        """
        if self.full:
            return self._rest, False
        return self._new_row(route, caller), True

    def _new_row(self, route: str, caller: str) -> memoryview:
        number = self._used
        name = f"{caller}\0{route}".encode("utf-8", "replace")[: _NAME - 1]
        start = _NAMES + number * _NAME
        self._memory[start : start + len(name)] = name
        self._used = self._words[_USED] = number + 1
        first = _ROWS // 8 + number * _WORDS
        return self._words[first : first + _WORDS]

    def add(self, total: str, number: int = 1) -> None:
        """Add to one of the totals.

        :param total: its name, a field of :class:`~unixsvc.telemetry.metrics.snapshot.Totals`.
        """
        self._words[_TOTALS[total]] += number

    def set(self, total: str, number: int) -> None:
        """Set one of the totals; its name is as in :meth:`add`."""
        self._words[_TOTALS[total]] = number

    def clear(self) -> None:
        """Set all counters to zero."""
        self._memory[8:_PAGE] = bytes(_PAGE - 8)
        for number in range(self._used):
            start = _ROWS + number * _PAGE
            if self._memory[start : start + _PAGE] != _EMPTY:
                self._memory[start : start + _PAGE] = _EMPTY

    def read(self) -> MetricsSnapshot:
        """What has been counted until now."""
        return _read(lambda start, size: self._memory[start : start + size])


def _read(read: _Read) -> MetricsSnapshot:
    head = memoryview(read(0, _PAGE)).cast("q")
    used = min(max(head[_USED], 0), MAX_ROWS)
    series: dict[str, dict[str, SeriesCounts]] = {}
    probes: dict[str, SeriesCounts] = {}
    calls: dict[str, SeriesCounts] = {}
    for (route, caller), counts in zip(_names(read, used), _counts(read, used), strict=True):
        if counts is not None and route in HEALTH_ROUTES:
            path = HEALTH_ROUTES[route]
            probes[path] = probes[path] + counts if path in probes else counts
        elif counts is not None and route.startswith(CALLS):
            calls[route.removeprefix(CALLS)] = counts
        elif counts is not None:
            by_caller = series.setdefault(route, {})
            by_caller[caller] = by_caller[caller] + counts if caller in by_caller else counts
    totals = Totals(*(head[word] for word in _TOTALS.values()))
    return MetricsSnapshot(series, totals, probes=probes, calls=calls)


def _names(read: _Read, used: int) -> Iterator[tuple[str, str]]:
    names = read(_NAMES, used * _NAME)
    for start in range(0, used * _NAME, _NAME):
        name = names[start : start + _NAME].rstrip(b"\0").decode("utf-8", "replace")
        caller, _, route = name.partition("\0")
        yield route, caller


def _counts(read: _Read, used: int) -> Iterator[SeriesCounts | None]:
    rows = read(_ROWS, used * _PAGE)
    for start in range(0, used * _PAGE, _PAGE):
        row = rows[start : start + _PAGE]
        yield None if row == _EMPTY else _series_counts(row)


def _series_counts(row: bytes) -> SeriesCounts:
    buckets: dict[int, int] = {}
    codes: dict[int, int] = {}
    words = memoryview(row).cast("q")
    # Most groups of words are zero; comparing bytes costs far less than a look at each word.
    for start in range(0, _WORDS, _GROUP):
        if row[start * 8 : (start + _GROUP) * 8] == _EMPTY_GROUP:
            continue
        for word, count in enumerate(words[start : start + _GROUP].tolist(), start):
            if count and word < BUCKETS:
                buckets[word] = count
            elif count:
                codes[_CODE_OF.get(word, 0)] = count
    # A reply is written as a latency first, so that no code can have more replies than there are.
    succeeded = sum(buckets.values()) - sum(codes.values())
    if succeeded > 0:
        codes[200] = succeeded
    return SeriesCounts(codes, buckets)
