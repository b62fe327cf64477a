"""The memory that unauthenticated peers make a worker hold; pure."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

from msgspec import Struct

from unixsvc.config.settings import Limits
from unixsvc.security.waiting_requests import Wait, WaitingRequests

__all__ = ["MIN_COUNTED", "BufferBudget", "BufferHolder", "Room", "UnsentHolder"]

MIN_COUNTED: Final = 1024
"""Shorter messages are not counted while their requests are pending, as ``max_inflight`` bounds those."""

# The most bytes that the event loop delivers at once: a connection can still get so many after reading was
# resumed.
_READ: Final = 262_144
# A peer that sends or takes less than this in the time below, while others wait, makes no progress. In bytes,
# seconds.
_PROGRESS: Final = 1024
_STALLED: Final = 1.0


class Room(Enum):
    """The answer to a connection that holds more bytes than before."""

    ENOUGH = auto()  # read on
    LATER = auto()  # stop to read until resume_reading() is called: the rest waits in the kernel
    NONE = auto()  # refuse the peer


class BufferHolder(Protocol):
    """A connection, as the budget sees it."""

    @property
    def delayed(self) -> bool:
        """True if it is the server that holds up this connection, not the peer."""

    def resume_reading(self) -> None:
        """Read on, as there is room again."""

    def expire(self) -> None:
        """Refuse the peer: it makes no progress while others wait for room."""


class UnsentHolder(Protocol):
    """A connection whose peer does not take what is sent, as the budget sees it."""

    def unsent(self) -> int:
        """The number of bytes that the peer has not taken yet."""

    def expire(self) -> None:
        """Abort the connection: its peer makes no progress while others wait for room."""


class _Mark(Struct, frozen=True):
    size: int
    since: float


class BufferBudget:
    """One budget for all connections of a worker whose peers have not shown a valid token.

    The size of one message is kept for a connection that has waited. Above three quarters of the rest, a
    connection that receives a part of a message is paused, so that the rest waits in the kernel, which stops
    the peer. Paused connections go on in the order in which they came. If replies that wait for their peers
    have used up a part of it, whole requests wait too. Peers that could send or read and do not are refused
    meanwhile, the oldest first. The last quarter is for what a connection receives before it is paused, and
    for replies to requests that were not held back; a peer that exceeds it is refused at once.

    :param limits: the budget is ``max_buffered_bytes``, or four messages if that is more.
    :param on_refused: called for each peer that is to be refused.
    :param hold_back: called with a function when the requests of unauthenticated peers are to wait for its
        result, and with None when they no longer are.
    """

    def __init__(
        self,
        limits: Limits,
        on_refused: Callable[[], object] = bool,
        hold_back: Callable[[Wait | None], object] = bool,
    ) -> None:
        self._on_refused = on_refused
        self._hold_back = hold_back
        self._unit = max(limits.max_message_bytes, _READ)
        self._limit = max(limits.max_buffered_bytes, 4 * self._unit)
        self._refuse_above = self._limit - self._unit
        self._pause_above = self._refuse_above * 3 // 4
        self._used = 0
        self._held: dict[BufferHolder, int] = {}  # the oldest first
        self._unsent: dict[UnsentHolder, int] = {}  # the same
        self._requests = WaitingRequests(limits.max_inflight // 2)
        self._holding_back = self._releasing = False
        self._waiting: dict[BufferHolder, None] = {}
        self._resumed: set[BufferHolder] = set()  # and have not received anything since
        self._marks: dict[BufferHolder | UnsentHolder, _Mark] = {}
        self._longest_waiting: tuple[BufferHolder | None, float] = None, 0.0  # and since which check

    def has_room(self, size: int) -> bool:
        """True if a connection may hold so many more bytes."""
        return self._used + size <= self._refuse_above

    def may_send(self, size: int) -> bool:
        """True if there is room for a reply; else its peer is refused."""
        if self.has_room(size):
            return True
        self._on_refused()
        return False

    def hold(self, holder: BufferHolder, size: int) -> Room:
        """Note how many bytes a connection holds of what its peer has sent.

        :returns: whether it may read on; always, if it holds no more than before.
        """
        before = self._held.get(holder, 0)
        self._used += size - before
        was_resumed = holder in self._resumed
        self._resumed.discard(holder)
        if size:
            self._held[holder] = size
        else:
            self._forget(holder)
        if size <= before:
            self._use_room()
            return Room.ENOUGH
        if self._used > (self._limit if was_resumed else self._refuse_above):
            self._on_refused()
            return Room.NONE
        self._update_hold_back()
        if self._used > self._pause_above and len(self._held) - len(self._waiting) > 1:
            self._waiting[holder] = None
            return Room.LATER
        return Room.ENOUGH

    def hold_unsent(self, holder: UnsentHolder, size: int) -> bool:
        """Note how many bytes a connection holds of what its peer is sent.

        :returns: whether there is room for them.
        """
        before = self._unsent.get(holder, 0)
        self._used += size - before
        if size:
            self._unsent[holder] = size
        else:
            self._unsent.pop(holder, None)
            self._marks.pop(holder, None)
        if size <= before:
            self._use_room()
        elif self._used > self._refuse_above:
            self._on_refused()
            return False
        else:
            self._update_hold_back()
        return True

    def check(self, now: float) -> None:
        """Refuse peers without progress, if others wait for room; to be called about once a second.

        :param now: in seconds.
        """
        self._expire_unsent(now)
        for holder in list(self._held) if self._waiting else ():
            if self._waiting and self._is_stalled(holder, now):
                self._on_refused()
                holder.expire()
        if not self._others_wait():
            self._marks.clear()
        self._use_room()
        longest, since = self._longest_waiting
        first = next(iter(self._waiting), None)
        if first is not longest:
            self._longest_waiting = first, now
        elif now - since >= _STALLED:
            # Peers that make some progress, or requests that take long, could keep all others waiting.
            self._resume(self._refuse_above)

    def _expire_unsent(self, now: float) -> None:
        """Expire as many connections without progress as the requests that wait may need room."""
        needed = self._used + self._unit * self._requests.count - self._pause_above
        for peer, size in list(self._unsent.items()) if self._others_wait() else ():
            if needed > 0 and self._has_stopped(peer, peer.unsent(), now):
                needed -= size  # it is free when the connection is closed
                self._on_refused()
                peer.expire()

    def _others_wait(self) -> bool:
        return bool(self._waiting or self._requests.count)

    def _is_stalled(self, holder: BufferHolder, now: float) -> bool:
        size = self._held.get(holder)
        if size is None or holder in self._waiting or holder.delayed:
            self._marks.pop(holder, None)
            return False
        return self._has_stopped(holder, size, now)

    def _has_stopped(self, holder: BufferHolder | UnsentHolder, size: int, now: float) -> bool:
        mark = self._marks.get(holder)
        if mark is None or abs(size - mark.size) >= _PROGRESS:
            self._marks[holder] = _Mark(size, now)
            return False
        return now - mark.since >= _STALLED

    def _use_room(self) -> None:
        """Let connections and requests go on as far as there is room."""
        self._resume(self._pause_above)
        self._release_requests()
        self._update_hold_back()

    def _release_requests(self) -> None:
        if self._releasing:  # a request that goes on may have an effect on the budget at once
            return
        self._releasing = True
        expected = 0
        while self._requests.count and not self._is_full(expected):
            self._requests.release()
            expected += _READ
        self._releasing = False

    def _update_hold_back(self) -> None:
        holds_back = bool(self._requests.count) or self._is_full()
        if holds_back is not self._holding_back:
            self._holding_back = holds_back
            self._hold_back(self._requests.wait if holds_back else None)

    def _is_full(self, expected: int = 0) -> bool:
        """True if requests are to wait: replies that their peers do not take have used up the budget."""
        return bool(self._unsent) and self._used + expected > self._pause_above

    def _resume(self, most: int) -> None:
        """Let connections go on as long as not more than so many bytes are used, or none reads."""
        while self._waiting:
            used = self._used + _READ * len(self._resumed)
            if used > most and len(self._waiting) < len(self._held):
                return
            holder = next(iter(self._waiting))
            del self._waiting[holder]
            self._resumed.add(holder)
            holder.resume_reading()

    def _forget(self, holder: BufferHolder) -> None:
        self._held.pop(holder, None)
        self._waiting.pop(holder, None)
        self._marks.pop(holder, None)
