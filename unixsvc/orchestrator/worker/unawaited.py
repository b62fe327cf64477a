"""Logs the failures of Deferreds that nothing awaits at once; Twisted does so at their garbage collection.

A failed Deferred is nearly always part of a reference cycle, as the frames of its traceback refer to it. So
the young objects are collected in the next turn of the reactor. A failed Deferred that is still referenced,
but has not been awaited for some seconds, is logged, too.
"""

from __future__ import annotations

import gc
from typing import Final
from weakref import WeakSet

from twisted.internet import defer
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.domain.request_context import current_request

__all__ = ["UnawaitedDeferreds"]

_log: Final = Logger(namespace="deferred")
_PATIENCE: Final = 10.0  # seconds


class UnawaitedDeferreds:
    """Watches all Deferreds of this process."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._failed: WeakSet[_DebugInfo] = WeakSet()
        self._collects = False

    def install(self) -> None:
        """Replace ``twisted.internet.defer.DebugInfo``, which has the failure that no callback has taken.

        A private API of Twisted; checked with Twisted 26.10, and by ``test_unawaited.py``.
        """

        class Watched(_DebugInfo):
            watch = self

        setattr(defer, "DebugInfo", Watched)  # noqa: B010 # mypy does not let a class be assigned

    def failed(self, info: _DebugInfo) -> None:
        """Note that a Deferred has failed."""
        self._failed.add(info)
        self._reactor.callLater(_PATIENCE, self._report_failed)
        if not self._collects:
            self._collects = True
            self._reactor.callLater(0, self._collect)

    def _collect(self) -> None:
        self._collects = False
        gc.collect(1)

    def _report_failed(self) -> None:
        now = self._reactor.seconds()
        for info in list(self._failed):
            if now - info.since >= _PATIENCE:
                info.report()


class _DebugInfo(defer.DebugInfo):
    """Notes when its Deferred fails.

    :cvar watch: notes it, too.
    :ivar since: the time of the failure, on the clock of the reactor.
    """

    watch: UnawaitedDeferreds
    since = 0.0
    _failure: Failure | None = None
    _request_id = ""

    @property
    def failResult(self) -> Failure | None:  # an attribute in Twisted
        """The failure, until something awaits the Deferred."""
        return self._failure

    @failResult.setter
    def failResult(self, failure: Failure | None) -> None:
        self._failure = failure
        if failure is not None:
            current = current_request()
            self._request_id = "" if current is None else current[0].request_id
            self.since = self.watch._reactor.seconds()
            self.watch.failed(self)

    def report(self) -> None:
        """Log the failure, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            message = "a Deferred has failed, and nothing has awaited it"
            _log.failure(message, failure, request_id=self._request_id)

    def __del__(self) -> None:
        self.report()
