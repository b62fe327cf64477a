"""A load generator in a process of its own, without framework code, that reports each fault of a service."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

import msgspec
from msgspec import UNSET, Struct

__all__ = ["Counts", "Load", "Outcome", "Progress", "Reply", "Settings"]

_STARTING = 30.0  # seconds; only reached if a test fails
_ITEM = {"id": 7}  # the result of /item/7 in apps/codes.py
_TEXTS = 20  # of the first failures


class Settings(Struct, frozen=True):
    """The settings of the process, see :class:`Load`."""

    path: str
    token: str | None
    connections: int
    route: str
    method: str
    data: dict[str, Any] | None
    expected: Any
    in_flight: int
    retry: bool
    rate: float | None
    timeout: float

    def message(self) -> bytes:
        """The request without its id."""
        fields = {"path": self.route, "data": self.data, "auth_token": self.token}
        given = {name: value for name, value in fields.items() if value is not None}
        return msgspec.json.encode({"method": self.method} | given) + b"\n"

    def fault(self, reply: Reply, took: float) -> str:
        """What is wrong with a reply; empty if nothing is."""
        if reply.code != 200 or reply.more or reply.data != self.expected:
            return "wrong reply"
        return f"reply after {took} s" if took >= self.timeout else ""


class Reply(Struct):
    """A line from the server."""

    id: int | str | None = None
    code: int | None = None
    data: Any = UNSET
    more: bool = False
    goaway: bool = False


class Progress(Struct, frozen=True, tag=True):
    """The counts so far."""

    answered: int
    failures: int
    failed: list[str]


class Outcome(Struct, frozen=True, tag=True):
    """The result of a load.

    :ivar answered: requests with a correct reply in time.
    :ivar failures: the number of failures.
    :ivar failed: texts of the first 20.
    :ivar retried: the number of retries.
    :ivar reconnects: idle connections that ended and were replaced.
    :ivar goaways: connections with a goaway.
    :ivar connected: connections for new requests at the stop.
    :ivar seconds: from the start to the stop, or to the last reply if that is later.
    :ivar slowest: the longest time from the first attempt of a call to its reply, in seconds.
    :ivar rate: replies per second.
    :ivar longest_gap: the longest time without any reply between the first one and the stop, in seconds.
    """

    answered: int
    failures: int
    failed: list[str]
    retried: int
    reconnects: int
    goaways: int
    connected: int
    seconds: float
    slowest: float
    rate: float
    longest_gap: float


class Counts:
    """The counts of the process, named as in the outcome."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()
        self.answered = self.failures = self.retried = self.reconnects = self.goaways = self.connected = 0
        self.failed: list[str] = []
        self.slowest = self.longest_gap = 0.0
        self._last: float | None = None

    def answer(self, took: float, now: float) -> None:
        """Count a correct reply."""
        self.answered += 1
        self.slowest = max(self.slowest, took)
        self.pause(now)
        self._last = now

    def pause(self, now: float) -> None:
        """Record the time since the last reply."""
        if self._last is not None:
            self.longest_gap = max(self.longest_gap, now - self._last)

    def fail(self, text: str) -> None:
        """Count a failure."""
        self.failures += 1
        if len(self.failed) < _TEXTS:
            self.failed.append(text[:500])

    def outcome(self, stopped: float) -> Outcome:
        """The outcome, at the end."""
        seconds = max(stopped, self._last or 0.0) - self.started_at
        stats = {name: value for name, value in vars(self).items() if name in Outcome.__struct_fields__}
        return Outcome(**stats, seconds=seconds, rate=self.answered / seconds)


class Load:
    """A process that sends the same request repeatedly.

    A failure is: a wrong reply, or one to an id that is not pending; no reply in time; each pending request
    of a connection that ends; a connection that cannot be made in time. After ``goaway`` it uses a new
    connection at once, and closes the old one with its last reply.

    :param path: of the socket.
    :param token: sent with each request; None to send none.
    :param connections: their number, without those that are draining.
    :param route: the path of each request.
    :param method: of each request.
    :param data: the arguments of each request, if any.
    :param expected: the data of the right reply.
    :param in_flight: pending requests on each connection.
    :param retry: True to retry lost calls with the same id until the timeout, if the method is idempotent.
    :param rate: the maximum of requests per second over all connections; None for no limit.
    :param timeout: for a reply, and for making a connection, in seconds.
    """

    def __init__(
        self,
        path: str,
        token: str | None,
        connections: int = 20,
        route: str = "/item/7",
        method: str = "GET",
        in_flight: int = 1,
        retry: bool = False,
        rate: float | None = None,
        *,
        data: dict[str, Any] | None = None,
        expected: Any = _ITEM,
        timeout: float = 10.0,
    ) -> None:
        self._timeout = timeout
        self._changed = threading.Condition()
        self._progress = Progress(0, 0, [])
        self._outcome: Outcome | None = None
        self._over = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # end() closes it
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.functional.load_process"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        settings = Settings(
            path, token, connections, route, method, data, expected, in_flight, retry, rate, timeout
        )
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(settings) + b"\n")
        self.process.stdin.flush()

    def answered(self) -> int:
        """The number of replies, at most 50 ms old."""
        return self._progress.answered

    def failures(self) -> int:
        """The number of failures, at most 50 ms old."""
        return self._progress.failures

    def started(self, count: int = 1000, seconds: float = _STARTING) -> None:
        """Wait for a number of replies; AssertionError if that takes too long."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._progress.answered < count:
                if self._over or not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"fewer than {count} replies: {self._progress} {self._stderr()}")

    def further(self, count: int = 1000, seconds: float = _STARTING) -> None:
        """Wait for a number of further replies."""
        self.started(self.answered() + count, seconds)

    def stop(self) -> Outcome:
        """Stop making calls, and wait for the pending ones; the outcome."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._reader.join(self._timeout + _STARTING)
        if self._outcome is None:
            raise AssertionError(f"no outcome: {self._progress} {self._stderr()}")
        self.end()
        return self._outcome

    def end(self) -> None:
        """Kill the process if it still runs; may be called twice."""
        if self.process.poll() is None and self._outcome is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        decoder = msgspec.json.Decoder(Progress | Outcome)
        for line in self.process.stdout:
            message = decoder.decode(line)
            with self._changed:
                if isinstance(message, Outcome):
                    self._outcome = message
                    self._progress = Progress(message.answered, message.failures, message.failed)
                else:
                    self._progress = message
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _stderr(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")
