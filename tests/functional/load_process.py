"""The process of the load generator, which :class:`tests.functional.load_harness.Load` starts.

It uses plain sockets with the readers of the event loop, not transports: after a failed write, a transport
discards unread bytes, and a reply that the server has sent must not count as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import random
import socket
import sys
import time
from typing import Any

import msgspec
import uvloop

from tests.functional.load_harness import Counts, Outcome, Progress, Reply, Settings

__all__: list[str] = []

_RETRIABLE = {errno.EAGAIN, errno.ECONNREFUSED, errno.ENOENT}  # a full backlog, or no listener at the moment
_PAUSE = (0.005, 0.015)  # seconds between two attempts to connect
_TICK = 0.05  # seconds between two lines of progress, at most
_IDEMPOTENT = {"GET", "HEAD", "PUT", "DELETE"}

_random = random.SystemRandom()
_decode = msgspec.json.Decoder(Reply).decode


class _Generator:
    """All lanes, until the end of standard input."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.counts = Counts()
        self.retry = settings.retry and settings.method in _IDEMPOTENT
        self.stopped: float | None = None
        self.connections: set[_Connection] = set()
        self.ids = itertools.count(1)  # unique over all connections
        self.lanes = [_Lane(self, number) for number in range(settings.connections)]
        self._settled = asyncio.Event()
        self.tail = settings.message()[1:]

    async def run(self) -> None:
        self.loop.set_exception_handler(self._internal_error)
        self.loop.add_reader(sys.stdin.fileno(), self._stdin_ready)
        for each in self.lanes:
            each.connect()
        self._tick()
        await self._settled.wait()
        assert self.stopped is not None
        _print(self.counts.outcome(self.stopped))

    def _stdin_ready(self) -> None:
        if os.read(sys.stdin.fileno(), 1 << 16):
            return
        self.loop.remove_reader(sys.stdin.fileno())
        self.stopped = time.monotonic()
        self.counts.pause(self.stopped)
        self.counts.connected = sum(each.connection is not None for each in self.lanes)
        for each in self.lanes:
            if not each.ever_connected:
                self.counts.fail("never connected")

    def _tick(self) -> None:
        now = time.monotonic()
        for connection in list(self.connections):
            connection.sweep(now)
        for lane in self.lanes:
            lane.sweep(now)
        pending = any(each.pending for each in self.connections) or any(
            each.lost_calls for each in self.lanes
        )
        if self.stopped and not pending:
            self._settled.set()
        _print(Progress(self.counts.answered, self.counts.failures, self.counts.failed))
        self.loop.call_later(min(_TICK, self.settings.timeout / 20), self._tick)

    def _internal_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.counts.fail(f"load generator: {context}")
        loop.default_exception_handler(context)


class _Lane:
    """One connection for new requests, with its successors, and the lost calls that it sends again."""

    def __init__(self, generator: _Generator, number: int) -> None:
        self.connection: _Connection | None = None
        self.lost_calls: list[tuple[int, float]] = []  # ids, and the times of their first attempts
        self.ever_connected = False
        self._generator = generator
        self._loop, self._counts, self._settings = generator.loop, generator.counts, generator.settings
        self._trying_since: float | None = None
        self._pausing = False
        step = 1 / self._settings.rate if self._settings.rate else 0.0
        self._interval = step * self._settings.connections
        self._due = self._counts.started_at + step * number
        self._timer: asyncio.TimerHandle | None = None

    def connect(self, paused: bool = False) -> None:
        """Connect if necessary, with retries."""
        self._pausing = self._pausing and not paused
        if self.connection or self._pausing or (self._generator.stopped and not self.lost_calls):
            return
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connecting.setblocking(False)
        try:
            connecting.connect(self._settings.path)
        except OSError as error:
            connecting.close()
            self._retry_later(error)
        else:
            self._trying_since = None
            self.ever_connected = True
            self.connection = _Connection(self._generator, self, connecting)
            self.fill(time.monotonic())

    def fill(self, now: float) -> None:
        """Send as many requests as the limits allow."""
        if self.connection is None:
            return
        room = self._settings.in_flight - len(self.connection.pending)
        calls: list[tuple[int, float]] = []
        while len(calls) < room and (self.lost_calls or not self._generator.stopped) and self._may_send(now):
            if self.lost_calls:
                self._counts.retried += 1
                calls.append(self.lost_calls.pop(0))
            else:
                calls.append((next(self._generator.ids), now))
        if calls:
            self.connection.send(calls)

    def lost(self, id: int, first: float, why: str) -> None:
        """Process the loss of a call with its connection."""
        if self._generator.retry and time.monotonic() - first < self._settings.timeout:
            self.lost_calls.append((id, first))
        else:
            self._counts.fail(f"lost reply to {id}: {why}")

    def sweep(self, now: float) -> None:
        for call in list(self.lost_calls):
            if now - call[1] >= self._settings.timeout:
                self.lost_calls.remove(call)
                self._counts.fail(f"lost reply to {call[0]}, and no connection to send it again")

    def _may_send(self, now: float) -> bool:
        if now >= self._due or not self._interval:
            self._due = max(self._due, now - self._interval) + self._interval
            return True
        if self._timer is None:
            self._timer = self._loop.call_later(self._due - now, self._is_due)
        return False

    def _is_due(self) -> None:
        self._timer = None
        self.fill(time.monotonic())

    def _retry_later(self, error: OSError) -> None:
        now = time.monotonic()
        self._trying_since = self._trying_since or now
        if error.errno not in _RETRIABLE or now - self._trying_since >= self._settings.timeout:
            self._trying_since = None
            self._counts.fail(f"could not connect: {error}")
        self._pausing = True
        self._loop.call_later(_random.uniform(*_PAUSE), self.connect, True)


class _Connection:
    """One connection; after goaway it stays until its last reply."""

    def __init__(self, generator: _Generator, lane: _Lane, connected: socket.socket) -> None:
        self.pending: dict[int, float] = {}
        self._generator, self._lane = generator, lane
        self._loop, self._counts, self._settings = generator.loop, generator.counts, generator.settings
        self._socket = connected
        self._expired: set[int] = set()  # counted as missing; their replies may still arrive
        self._rest = self._unsent = b""
        self._writing = self._leaving = False
        generator.connections.add(self)
        self._loop.add_reader(connected, self._read)

    def send(self, calls: list[tuple[int, float]]) -> None:
        self.pending.update(calls)
        self._unsent += b"".join([b'{"id":%d,%b' % (number, self._generator.tail) for number, _ in calls])
        if not self._writing:
            self._write()

    def sweep(self, now: float) -> None:
        for number, first in list(self.pending.items()):
            if now - first >= self._settings.timeout:
                del self.pending[number]
                self._expired.add(number)
                self._counts.fail(f"no reply to {number} in time")
        self._continue(now)

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # the next read gives the reason, after the last replies
        if self._unsent and not self._writing:
            self._loop.add_writer(self._socket, self._write)
        elif self._writing and not self._unsent:
            self._loop.remove_writer(self._socket)
        self._writing = bool(self._unsent)

    def _read(self) -> None:
        try:
            data, why = self._socket.recv(1 << 16), "the server has closed the connection"
        except BlockingIOError:
            return
        except OSError as error:
            data, why = b"", str(error)
        if not data:
            self._ended(why)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        now = time.monotonic()
        for line in lines:
            self._take(line, now)
        self._continue(now)

    def _take(self, line: bytes, now: float) -> None:
        try:
            reply = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._counts.fail(f"no reply: {error}: {line!r}")
            return
        if reply.goaway and reply.id is None:
            self._goaway()
        elif reply.id in self._expired:
            self._expired.remove(reply.id)
        elif reply.id not in self.pending:
            self._counts.fail(f"no pending request has this id: {line!r}")
        else:
            took = now - self.pending.pop(reply.id)
            if fault := self._settings.fault(reply, took):
                self._counts.fail(f"{fault}: {line!r}")
            else:
                self._counts.answer(took, now)

    def _goaway(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._counts.goaways += 1
            self._lane.connection = None
            self._lane.connect()

    def _continue(self, now: float) -> None:
        if not self._leaving:
            self._lane.fill(now)
        elif not self.pending:
            self._close()

    def _ended(self, why: str) -> None:
        self._close()
        lost, self.pending = self.pending, {}
        for number, first in lost.items():
            self._lane.lost(number, first, why)
        if self._rest and not lost:
            self._counts.fail(f"an incomplete reply to no request: {self._rest!r}")
        if not self._leaving:
            self._counts.reconnects += not lost and not self._generator.stopped
            self._lane.connection = None
        self._lane.connect()
        self._lane.fill(time.monotonic())

    def _close(self) -> None:
        self._generator.connections.remove(self)
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()


def _print(message: Progress | Outcome) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent has exited, which is noticed elsewhere
        os.write(sys.stdout.fileno(), msgspec.json.encode(message) + b"\n")


async def _main() -> None:
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    await _Generator(settings).run()


if __name__ == "__main__":
    uvloop.run(_main())
