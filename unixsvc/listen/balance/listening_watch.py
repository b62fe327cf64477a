"""Waits for clients of a listening socket that several workers share."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final

from unixsvc.transport.private_apis import duplicate_epoll

__all__ = ["ListeningWatch"]

_EXCLUSIVE: Final = select.EPOLLIN | select.EPOLLEXCLUSIVE
_STANDBY: Final = 0
# Interval in which a worker that may be the only one to be woken looks for clients itself, in seconds; and
# that of a worker on standby, which is the longest time that a client waits because all others are busy.
_INTERVALS: Final = {_EXCLUSIVE: 0.1, _STANDBY: 0.01}
# After as many seconds it lets the kernel wake every worker again.
_DURATION: Final = 1.0


class ListeningWatch:
    """Calls a function while clients wait to be accepted.

    The kernel wakes every worker that waits for a listening socket. Of those that wait with
    ``EPOLLEXCLUSIVE``, it wakes one: the first that waits, and not one that is busy or stopped. As the others
    sleep on, the woken one must accept. It does so before anything else, even if it has much to do: while it
    slept, nothing else has become readable. Only if it is stopped or killed at this moment, the client is
    left. So each of them looks for clients now and then.

    Workers that are woken for every other client would take turns to sleep and to wake, which costs more than
    a short request. So all but one are on standby: the kernel does not wake them for clients, and they look
    themselves, more often.

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
        self._events = _EXCLUSIVE  # those that the kernel reports while there is a timer
        self._left = 0  # calls of the timer
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_exclusive(self) -> bool:
        """Whether the kernel wakes only one of the workers that wait in this way."""
        return self._timer is not None and self._events == _EXCLUSIVE

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
        self._change(_EXCLUSIVE)

    def stand_by(self) -> None:
        """Look for clients instead of waiting for them, for a second from now on; like :meth:`wake_one`."""
        self._change(_STANDBY)

    def wake_all(self) -> None:
        """Wait as at the start."""
        if self._timer is not None:
            self._replace(select.EPOLLIN)
            self._cancel_timer()

    def _change(self, events: int) -> None:
        self._left = round(_DURATION / _INTERVALS[events])
        if self._timer is not None and self._events == events:
            return
        try:
            self._replace(events)
        except OSError:  # no file descriptor is left, or the kernel refuses the flag
            self.stop()
            self.start()
        else:
            self._cancel_timer()
            self._events = events
            self._look_later()

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(_INTERVALS[self._events], self._look)

    def _look(self) -> None:
        """Look whether clients wait; the kernel does, for a new entry."""
        self._left -= 1
        if not self._left:
            self.wake_all()
            return
        self._look_later()
        if self._events == _EXCLUSIVE:
            self._replace(_EXCLUSIVE)
        elif self._has_client():
            self._readable()
            if self._timer is not None and self._events == _STANDBY and self._has_client():
                self._cancel_timer()  # the others cannot keep up
                self._timer = self._loop.call_later(0, self._look)

    def _has_client(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def _replace(self, events: int) -> None:
        if self._epoll is None:
            self._epoll = duplicate_epoll(self._loop)
        if self._timer is None or self._events != _STANDBY:
            self._epoll.unregister(self._descriptor)
        if events != _STANDBY:
            self._epoll.register(self._descriptor, events)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
