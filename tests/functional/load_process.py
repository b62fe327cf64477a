"""The process that makes the load: what :class:`tests.functional.load_harness.Load` starts.

Plain sockets on uvloop's readers, below asyncio's transports: when a write fails, those drop what was not
read yet, and a reply that the server did send must not be taken for lost.
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

from tests.functional.load_harness import Outcome, Progress, Reply, Settings, Tally

__all__: list[str] = []

_AGAIN = {errno.EAGAIN, errno.ECONNREFUSED, errno.ENOENT}  # a full backlog, or nobody there just now
_PAUSE = (0.005, 0.015)  # seconds between two attempts to connect
_TICK = 0.05  # seconds between two lines of progress, at most
_REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}

_random = random.SystemRandom()
_decode = msgspec.json.Decoder(Reply).decode


class _Generator:
    """All lanes, until the standard input ends."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.tally = Tally()
        self.retry = settings.retry and settings.method in _REPEATABLE
        self.stopped: float | None = None
        self.standing: set[_Connection] = set()
        self.ids = itertools.count(1)  # none comes twice, on whichever connection
        self.lanes = [_Lane(self, number) for number in range(settings.connections)]
        self._settled = asyncio.Event()
        self.tail = settings.message()[1:]

    async def run(self) -> None:
        self.loop.set_exception_handler(self._own_failure)
        self.loop.add_reader(sys.stdin.fileno(), self._told)
        for each in self.lanes:
            each.connect()
        self._tick()
        await self._settled.wait()
        assert self.stopped is not None
        _say(self.tally.outcome(self.stopped))

    def _told(self) -> None:
        if os.read(sys.stdin.fileno(), 1 << 16):
            return
        self.loop.remove_reader(sys.stdin.fileno())
        self.stopped = time.monotonic()
        self.tally.pause(self.stopped)
        self.tally.connected = sum(each.connection is not None for each in self.lanes)
        for each in self.lanes:
            if not each.ever_connected:
                self.tally.fail("never connected")

    def _tick(self) -> None:
        now = time.monotonic()
        for connection in list(self.standing):
            connection.sweep(now)
        for lane in self.lanes:
            lane.sweep(now)
        owed = any(each.unanswered for each in self.standing) or any(each.again for each in self.lanes)
        if self.stopped and not owed:
            self._settled.set()
        _say(Progress(self.tally.answered, self.tally.failures, self.tally.failed))
        self.loop.call_later(min(_TICK, self.settings.patience / 20), self._tick)

    def _own_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.tally.fail(f"the generator itself: {context}")
        loop.default_exception_handler(context)


class _Lane:
    """One of so many connections: the one that carries new requests, and what has to be sent again on it."""

    def __init__(self, generator: _Generator, number: int) -> None:
        self.connection: _Connection | None = None
        self.again: list[tuple[int, float]] = []  # ids, and when they were first sent
        self.ever_connected = False
        self._generator = generator
        self._loop, self._tally, self._settings = generator.loop, generator.tally, generator.settings
        self._trying_since: float | None = None
        self._pausing = False
        step = 1 / self._settings.rate if self._settings.rate else 0.0
        self._interval = step * self._settings.connections
        self._due = self._tally.suspended + step * number
        self._timer: asyncio.TimerHandle | None = None

    def connect(self, paused: bool = False) -> None:
        """Connect if that is needed: now, or as soon as it works."""
        self._pausing = self._pausing and not paused
        if self.connection or self._pausing or (self._generator.stopped and not self.again):
            return
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connecting.setblocking(False)
        try:
            connecting.connect(self._settings.path)
        except OSError as error:
            connecting.close()
            self._put_off(error)
        else:
            self._trying_since = None
            self.ever_connected = True
            self.connection = _Connection(self._generator, self, connecting)
            self.fill(time.monotonic())

    def fill(self, now: float) -> None:
        """Send as many requests as may be sent now."""
        if self.connection is None:
            return
        room = self._settings.in_flight - len(self.connection.unanswered)
        calls: list[tuple[int, float]] = []
        while len(calls) < room and (self.again or not self._generator.stopped) and self._may_send(now):
            if self.again:
                self._tally.retried += 1
                calls.append(self.again.pop(0))
            else:
                calls.append((next(self._generator.ids), now))
        if calls:
            self.connection.send(calls)

    def lost(self, id: int, first: float, why: str) -> None:
        """A connection has ended without the reply to this."""
        if self._generator.retry and time.monotonic() - first < self._settings.patience:
            self.again.append((id, first))
        else:
            self._tally.fail(f"lost reply to {id}: {why}")

    def sweep(self, now: float) -> None:
        for call in list(self.again):
            if now - call[1] >= self._settings.patience:
                self.again.remove(call)
                self._tally.fail(f"lost reply to {call[0]}, and no connection to send it again")

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

    def _put_off(self, error: OSError) -> None:
        now = time.monotonic()
        self._trying_since = self._trying_since or now
        if error.errno not in _AGAIN or now - self._trying_since >= self._settings.patience:
            self._trying_since = None
            self._tally.fail(f"could not connect: {error}")
        self._pausing = True
        self._loop.call_later(_random.uniform(*_PAUSE), self.connect, True)


class _Connection:
    """One connection; it stays until all its requests are answered, also when its lane has left it."""

    def __init__(self, generator: _Generator, lane: _Lane, connected: socket.socket) -> None:
        self.unanswered: dict[int, float] = {}
        self._generator, self._lane = generator, lane
        self._loop, self._tally, self._settings = generator.loop, generator.tally, generator.settings
        self._socket = connected
        self._given_up: set[int] = set()  # a reply to these may still come; it has been counted as missing
        self._rest = self._unsent = b""
        self._writing = self._leaving = False
        generator.standing.add(self)
        self._loop.add_reader(connected, self._read)

    def send(self, calls: list[tuple[int, float]]) -> None:
        self.unanswered.update(calls)
        self._unsent += b"".join([b'{"id":%d,%b' % (number, self._generator.tail) for number, _ in calls])
        if not self._writing:
            self._write()

    def sweep(self, now: float) -> None:
        for number, first in list(self.unanswered.items()):
            if now - first >= self._settings.patience:
                del self.unanswered[number]
                self._given_up.add(number)
                self._tally.fail(f"no reply to {number} in time")
        self._go_on(now)

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # reading tells why, after what was still answered
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
        self._go_on(now)

    def _take(self, line: bytes, now: float) -> None:
        try:
            reply = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._tally.fail(f"no reply: {error}: {line!r}")
            return
        if reply.goaway and reply.id is None:
            self._leave()
        elif reply.id in self._given_up:
            self._given_up.remove(reply.id)
        elif reply.id not in self.unanswered:
            self._tally.fail(f"nothing unanswered has this id: {line!r}")
        else:
            took = now - self.unanswered.pop(reply.id)
            if fault := self._settings.fault(reply, took):
                self._tally.fail(f"{fault}: {line!r}")
            else:
                self._tally.answer(took, now)

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._tally.goaways += 1
            self._lane.connection = None
            self._lane.connect()

    def _go_on(self, now: float) -> None:
        if not self._leaving:
            self._lane.fill(now)
        elif not self.unanswered:
            self._close()

    def _ended(self, why: str) -> None:
        self._close()
        lost, self.unanswered = self.unanswered, {}
        for number, first in lost.items():
            self._lane.lost(number, first, why)
        if self._rest and not lost:
            self._tally.fail(f"a reply to nothing, and not all of it: {self._rest!r}")
        if not self._leaving:
            self._tally.reconnects += not lost and not self._generator.stopped
            self._lane.connection = None
        self._lane.connect()
        self._lane.fill(time.monotonic())

    def _close(self) -> None:
        self._generator.standing.remove(self)
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()


def _say(what: Progress | Outcome) -> None:
    with contextlib.suppress(BrokenPipeError):  # who started this is gone; its end is noticed elsewhere
        os.write(sys.stdout.fileno(), msgspec.json.encode(what) + b"\n")


async def _main() -> None:
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings)
    await _Generator(settings).run()


if __name__ == "__main__":
    uvloop.run(_main())
