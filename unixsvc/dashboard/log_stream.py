"""The log that one open page follows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Final

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request

from unixsvc.dashboard.event_writer import EventWriter
from unixsvc.telemetry.log_query import LogBatch

__all__ = ["LogStream"]

_log: Final = Logger(namespace="dashboard")
# How often it is checked that the session goes on, and that the connection lives, in seconds.
_CHECK: Final = 15.0


class LogStream:
    """Sends events of the log to a browser, as batches.

    It has no buffer: one that reads slowly is behind in the ring of the orchestrator, and learns how many
    events it has missed.

    :param batches: the events, of a query that follows.
    :param may_read: whether the session of the operator goes on.
    :param on_end: called when the response has ended.
    """

    def __init__(
        self,
        request: Request,
        batches: AsyncGenerator[LogBatch, None],
        reactor: IReactorTime,
        may_read: Callable[[], bool],
        on_end: Callable[[], object],
    ) -> None:
        self._writer = EventWriter(request, reactor, self._ended)
        self._batches = batches
        self._reactor = reactor
        self._may_read = may_read
        self._on_end = on_end
        self._check: IDelayedCall | None = None
        self._task: Deferred[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._writer.start()
        self._check = self._reactor.callLater(_CHECK, self._checks)
        self._task = Deferred.fromCoroutine(self._send())
        self._task.addErrback(_report)

    def check(self) -> None:
        """End the response if its session has ended."""
        if not self._may_read():
            self.close()

    def close(self) -> None:
        """End the response."""
        self._writer.close()

    async def _send(self) -> None:
        try:
            async for batch in self._batches:
                if not self._may_read():
                    break
                self._writer.send(b"log", msgspec.json.encode(batch))
                await self._writer.when_ready()
        finally:
            await self._batches.aclose()
        self._task = None  # close() would cancel this
        self.close()

    def _checks(self) -> None:
        self._check = self._reactor.callLater(_CHECK, self._checks)
        if not self._writer.paused:
            self._writer.keep_alive()
        self.check()

    def _ended(self) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None
        if self._task is not None:
            self._task.cancel()
        self._on_end()


def _report(failure: Failure) -> None:
    if failure.check(CancelledError) is None:  # the browser has gone
        _log.failure("the log on the page has ended", failure)
