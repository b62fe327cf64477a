"""A load on a service, from a process with nothing of ours in it, which notices all that goes wrong."""

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

__all__ = ["Load", "Outcome", "Progress", "Reply", "Settings", "Tally"]

_STARTING = 30.0  # seconds; only ever waited for when something is broken
_ITEM = {"id": 7}  # what /item/7 of apps/codes.py gives
_TEXTS = 20  # failures of which the text is kept


class Settings(Struct, frozen=True):
    """What the process is told; :class:`Load` says what the fields mean."""

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
    patience: float

    def message(self) -> bytes:
        """Each request, but for its id."""
        fields = {"path": self.route, "data": self.data, "auth_token": self.token}
        given = {name: value for name, value in fields.items() if value is not None}
        return msgspec.json.encode({"method": self.method} | given) + b"\n"

    def fault(self, reply: Reply, took: float) -> str:
        """What is wrong with a reply, if anything is."""
        if reply.code != 200 or reply.more or reply.data != self.expected:
            return "wrong reply"
        return f"reply after {took} s" if took >= self.patience else ""


class Reply(Struct):
    """A line from the server."""

    id: int | str | None = None
    code: int | None = None
    data: Any = UNSET
    more: bool = False
    goaway: bool = False


class Progress(Struct, frozen=True, tag=True):
    """How far it is, from time to time."""

    answered: int
    failures: int
    failed: list[str]


class Outcome(Struct, frozen=True, tag=True):
    """What came of it.

    :ivar answered: requests that got the right reply in time.
    :ivar failures: how many things went wrong.
    :ivar failed: what the first 20 of them were.
    :ivar retried: how often a call was sent again.
    :ivar reconnects: connections that ended with nothing unanswered, and were replaced.
    :ivar goaways: connections on which the server said it.
    :ivar connected: how many connections there were for new requests when it was told to stop.
    :ivar seconds: from its begin to when it was told to stop, or to the last answer if that came later.
    :ivar slowest: seconds from when a call was first sent to its answer, at most.
    :ivar rate: answers per second.
    :ivar longest_gap: seconds with no answer at all, between the first one and the stop, at most.
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


class Tally:
    """What the process counts, with the fields of the outcome."""

    def __init__(self) -> None:
        self.suspended = time.monotonic()
        self.answered = self.failures = self.retried = self.reconnects = self.goaways = self.connected = 0
        self.failed: list[str] = []
        self.slowest = self.longest_gap = 0.0
        self._last: float | None = None

    def answer(self, took: float, now: float) -> None:
        """Count a right reply."""
        self.answered += 1
        self.slowest = max(self.slowest, took)
        self.pause(now)
        self._last = now

    def pause(self, now: float) -> None:
        """Note for how long nothing was answered."""
        if self._last is not None:
            self.longest_gap = max(self.longest_gap, now - self._last)

    def fail(self, text: str) -> None:
        """Count what went wrong."""
        self.failures += 1
        if len(self.failed) < _TEXTS:
            self.failed.append(text[:500])

    def outcome(self, stopped: float) -> Outcome:
        """All of it, at the end."""
        seconds = max(stopped, self._last or 0.0) - self.suspended
        stats = {name: value for name, value in vars(self).items() if name in Outcome.__struct_fields__}
        return Outcome(**stats, seconds=seconds, rate=self.answered / seconds)


class Load:
    """A process that asks a service the same thing over and over.

    A failure is: a reply that is not the expected one, or to an id that is not unanswered; none in time; a
    connection that ends with requests unanswered, for each of them; one that cannot be made in time, or never
    was. When told ``goaway`` it goes on at once on a new connection, and leaves the old one when that owes it
    nothing more.

    :param path: of the socket.
    :param token: shown with each request; None to show none.
    :param connections: how many at a time, not counting those that it is about to leave.
    :param route: the path of each request.
    :param method: of each request.
    :param data: the arguments of each request, if any.
    :param expected: the data of the right reply.
    :param in_flight: unanswered requests on each connection.
    :param retry: whether calls of which the reply was lost are made again, with the same id, if the method is
        one that may be repeated (GET, HEAD, PUT, DELETE), until they are older than the patience.
    :param rate: requests per second over all connections, at most; as many as possible if None.
    :param patience: seconds for a reply, and for making a connection.
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
        patience: float = 10.0,
    ) -> None:
        self._patience = patience
        self._news = threading.Condition()
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
            path, token, connections, route, method, data, expected, in_flight, retry, rate, patience
        )
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(settings) + b"\n")
        self.process.stdin.flush()

    def answered(self) -> int:
        """How many requests were answered; at most a twentieth of a second old."""
        return self._progress.answered

    def failures(self) -> int:
        """How many failures there were; as old."""
        return self._progress.failures

    def started(self, count: int = 1000, seconds: float = _STARTING) -> None:
        """Wait until so many requests have been answered; AssertionError if that takes too long."""
        deadline = time.monotonic() + seconds
        with self._news:
            while self._progress.answered < count:
                if self._over or not self._news.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {count} answers: {self._progress} {self._said()}")

    def further(self, count: int = 1000, seconds: float = _STARTING) -> None:
        """Wait until so many more than now have been answered."""
        self.started(self.answered() + count, seconds)

    def stop(self) -> Outcome:
        """Make no more calls, wait for those that are unanswered, and tell what came of all."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._reader.join(self._patience + _STARTING)
        if self._outcome is None:
            raise AssertionError(f"no outcome: {self._progress} {self._said()}")
        self.end()
        return self._outcome

    def end(self) -> None:
        """End the process by force if it is still there; does nothing the second time."""
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
            news = decoder.decode(line)
            with self._news:
                if isinstance(news, Outcome):
                    self._outcome = news
                    self._progress = Progress(news.answered, news.failures, news.failed)
                else:
                    self._progress = news
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")
