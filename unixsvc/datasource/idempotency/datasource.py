"""A datasource that runs the action of each idempotency key once and repeats its reply."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from unixsvc.datasource.idempotency.database import LockHeld
from unixsvc.datasource.idempotency.store import OUTCOME_UNKNOWN
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.idempotency_key import META_KEY, SAFE_METHODS, fingerprint_of, invalid_key, own_key
from unixsvc.domain.interfaces import IIdempotencyStore, IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import (
    Cancelled,
    DeadlineExceeded,
    Internal,
    ServiceError,
    Unavailable,
)
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["IdempotentDatasource"]

# The interval of polling for the reply or the lock of another worker grows from the first to the second, in
# seconds.
_MIN_INTERVAL: Final = 0.005
_MAX_INTERVAL: Final = 0.25
# Deadlines for the lock that a stopped worker can hold, in seconds. A key that cannot be recorded is refused
# soon. A reply waits until the watchdog has killed such a worker.
_BEGIN_TIMEOUT: Final = 1.0
_STORE_TIMEOUT: Final = 30.0
# The codes of aborted actions: cancelled by the caller, by the end of the worker, or at the deadline.
_ABORTED: Final = frozenset({Cancelled.code, Unavailable.code, DeadlineExceeded.code})


@implementer(IRouterDatasource)
class IdempotentDatasource:
    """Stores the replies of another datasource to requests with an idempotency key, and repeats them.

    :param inner: replies to new requests.
    :param check: returns whether the reply would be a stream or a file, which cannot be stored, now or
        later. It raises the errors before the action, such as 401 or 422. They are not stored, and a caller
        that may not run an action does not get its stored reply. Keys belong to their callers, see
        :func:`own_key`.
    :param store: stores the replies.
    :param reactor: schedules the polling.
    """

    def __init__(
        self,
        inner: IRouterDatasource,
        check: Callable[[Request], bool | Awaitable[bool]],
        store: IIdempotencyStore,
        reactor: IReactorTime,
    ) -> None:
        self._handle = inner.handle
        self._check = check
        self._store = store
        self._reactor = reactor
        self._log = LimitedLogger(__name__)
        # The actions that run in this worker by key, with the requests that wait for their replies.
        self._running: dict[bytes, list[Deferred[Reply]]] = {}

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Return the stored reply to the request, or run the action."""
        if META_KEY in request.meta and request.method not in SAFE_METHODS:
            return self._handle_keyed(request)
        return self._handle(request)

    async def _handle_keyed(self, request: Request) -> Reply:
        is_stream = self._check(request)
        if is_stream if isinstance(is_stream, bool) else await is_stream:
            raise invalid_key("cannot be used for a stream or a file")
        fingerprint = fingerprint_of(request)
        key = own_key(request, fingerprint)
        interval = _MIN_INTERVAL
        while (record := await self._begin(key, fingerprint)) is not None:
            first_fingerprint, reply = record
            if first_fingerprint != fingerprint:
                raise invalid_key("was used for another request")
            if reply is not None:
                return reply
            # Deadline and cancellation are raised at these awaits, as in an action that waits.
            if (waiting := self._running.get(key)) is not None:
                waiting.append(Deferred())
                return await waiting[-1]
            await deferLater(self._reactor, interval)
            interval = min(2 * interval, _MAX_INTERVAL)
        return await self._run(key, request)

    async def _begin(self, key: bytes, fingerprint: bytes) -> tuple[bytes, Reply | None] | None:
        """Record the start of an action, as soon as the lock of the store is free."""
        deadline, interval = self._reactor.seconds() + _BEGIN_TIMEOUT, _MIN_INTERVAL
        while True:
            try:
                return self._store.begin(key, fingerprint)
            except LockHeld as error:
                if self._reactor.seconds() >= deadline:
                    self._log.failure("a key was not recorded, as another process holds the lock", error)
                    raise Unavailable from error
            await deferLater(self._reactor, interval)
            interval = min(2 * interval, _MAX_INTERVAL)

    async def _run(self, key: bytes, request: Request) -> Reply:
        self._running[key] = []
        stored = OUTCOME_UNKNOWN
        try:
            answer = self._handle(request)
            reply = answer if isinstance(answer, Reply) else await answer
            if reply.items is None:  # a stream cannot be repeated
                stored = reply
            return reply
        except ServiceError as error:
            if error.code not in _ABORTED:
                stored = _storable(error)
            raise
        except GeneratorExit:  # the coroutine was closed
            raise
        except BaseException:  # the caller gets a 500, see HandleMessage
            stored = error_to_reply(Internal())
            raise
        finally:
            self._finish(key, stored)

    def _finish(self, key: bytes, reply: Reply) -> None:
        waiting = self._running.pop(key)
        self._store_reply(key, reply, self._reactor.seconds() + _STORE_TIMEOUT)
        for deferred in waiting:
            deferred.callback(reply)  # ignored if it was cancelled

    def _store_reply(
        self, key: bytes, reply: Reply, deadline: float, interval: float = _MIN_INTERVAL
    ) -> None:
        """Store a reply, as soon as the lock of the store is free. The caller has got it by then."""
        try:
            # The store logs its failures. The action has run, so its caller gets the reply in any case.
            with contextlib.suppress(Unavailable):
                self._store.finish(key, reply)
        except LockHeld as error:
            if self._reactor.seconds() >= deadline:
                self._log.failure("a reply was not stored, as another process holds the lock", error)
                self._store.abandon(key)
                return
            again = min(2 * interval, _MAX_INTERVAL)
            self._reactor.callLater(interval, self._store_reply, key, reply, deadline, again)


def _storable(error: ServiceError) -> Reply:
    reply = error_to_reply(error)
    try:
        msgspec.json.encode(reply.detail)
    except Exception:  # the detail may be of any type; the caller gets the same 500
        return error_to_reply(Internal())
    return reply
