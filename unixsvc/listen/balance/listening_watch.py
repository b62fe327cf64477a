"""Waits for clients of a listening socket that several workers share."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final

from unixsvc.transport.private_apis import duplicate_epoll

__all__ = ["ListeningWatch"]

# Interval in which a worker that may be the only one to be woken looks for clients itself, in seconds.
_INTERVAL: Final = 0.1
# After as many it lets the kernel wake every worker again.
_INTERVALS: Final = 10


class ListeningWatch:
    """Calls a function while clients wait to be accepted.

    The kernel wakes every worker that waits for a listening socket. Of those that wait with
    ``EPOLLEXCLUSIVE``, it wakes one: the first that waits, and not one that is busy or stopped. As the others
    sleep on, the woken one must accept. It does so before anything else, even if it has much to do: while it
    slept, nothing else has become readable. Only if it is stopped or killed at this moment, the client is
    left. So each of them looks for clients now and then.

    :param loop: of uvloop.
    :param descriptor: of the listening socket.
    :param readable: the function.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, descriptor: int, readable: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._readable = readable
        self._epoll: select.epoll | None = None
        self._intervals = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_exclusive(self) -> bool:
        """Whether the kernel wakes only one of the workers that wait in this way."""
        return self._timer is not None

    def start(self) -> None:
        """Begin to wait."""
        self._loop.add_reader(self._descriptor, self._readable)

    def stop(self) -> None:
        """Wait no more."""
        self._cancel_timer()
        self._loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Wait no more, and release the epoll instance."""
        self.stop()
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None

    def wake_one(self) -> None:
        """Wait with ``EPOLLEXCLUSIVE``, for a second from now on; to be called by the function."""
        self._intervals = _INTERVALS
        if self._timer is not None:
            return
        try:
            self._replace(select.EPOLLIN | select.EPOLLEXCLUSIVE)
        except OSError:  # no file descriptor is left, or the kernel refuses the flag
            self._loop.remove_reader(self._descriptor)
            self.start()
        else:
            self._timer = self._loop.call_later(_INTERVAL, self._look)

    def wake_all(self) -> None:
        """Wait as at the start."""
        if self._timer is not None:
            self._cancel_timer()
            self._replace(select.EPOLLIN)

    def _look(self) -> None:
        """Let the kernel look whether clients wait, as it does for a new entry."""
        self._intervals -= 1
        if not self._intervals:
            self.wake_all()
            return
        self._replace(select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._timer = self._loop.call_later(_INTERVAL, self._look)

    def _replace(self, events: int) -> None:
        if self._epoll is None:
            self._epoll = duplicate_epoll(self._loop)
        self._epoll.unregister(self._descriptor)
        self._epoll.register(self._descriptor, events)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
