"""Streams events from the ring to a reader.

A reader that takes its time holds nothing up: it only has a number in the ring, and learns how many events it
has missed when these were overwritten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc.telemetry.log_query import LogBatch, LogQuery, matching
from unixsvc.telemetry.log_record import LogRecord
from unixsvc.telemetry.log_ring import LogRing

__all__ = ["feed"]

# How often a reader looks for new events, in seconds: so events need not wake any.
_INTERVAL: Final = 0.1
_MOST: Final = 100  # events of a batch


async def feed(ring: LogRing, query: LogQuery, reactor: IReactorTime) -> AsyncGenerator[LogBatch, None]:
    """Yield the wanted events that are there, and if the reader follows, those that come.

    It ends when the ring is closed.
    """
    number, end = ring.first, ring.following
    found: deque[LogRecord] = deque(maxlen=query.last)
    while number < end:
        part = ring.read(number)
        found += matching(part.lines, query)
        number = part.following
        await deferLater(reactor, 0, bool)  # others have their turn
    if query.follow and not found:
        yield LogBatch([])  # the reader knows that it is connected
    while found:
        yield LogBatch([found.popleft() for _ in islice(range(_MOST), len(found))])
    while query.follow and not ring.closed:
        part = ring.read(number)
        number = part.following
        events = matching(part.lines, query)
        if events or part.missed:
            yield LogBatch(events, part.missed)
        await deferLater(reactor, 0 if part.lines else _INTERVAL, bool)
