"""Has each idempotency key's action run once, and gives its answer again."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from unixsvc.datasource.idempotency.store import UNKNOWN
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IIdempotencyStore, IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import (
    Cancelled,
    DeadlineExceeded,
    Internal,
    Invalid,
    ServiceError,
    Unavailable,
)

__all__ = ["IdempotentDatasource"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NAME: Final = "idempotency_key"
_LONGEST_KEY: Final = 255  # characters: keys are kept, and a message has room for a megabyte of one
# Between looks at what another worker has begun, in seconds: the first pause, and the longest.
_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 0.25
# What an action fails with that was cut short: by the caller, by the worker's end, by its deadline.
_CUT_SHORT: Final = frozenset({Cancelled.code, Unavailable.code, DeadlineExceeded.code})


@implementer(IRouterDatasource)
class IdempotentDatasource:
    """Answers as another datasource does, and keeps what it answered to requests with an idempotency key.

    :param inner: answers what was not answered before.
    :param check: tells whether the answer would be a stream, which is not kept; it raises what keeps a
        request's action from being run. Such failures are not kept, and who may not run an action does not
        get its answer either.
    :param answers: where they are kept.
    :param reactor: for pauses.
    """

    def __init__(
        self,
        inner: IRouterDatasource,
        check: Callable[[Request], bool],
        answers: IIdempotencyStore,
        reactor: IReactorTime,
    ) -> None:
        self._handle = inner.handle
        self._check = check
        self._answers = answers
        self._reactor = reactor
        # By key: what has begun here, and who waits for it.
        self._running: dict[bytes, list[Deferred[Reply]]] = {}

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Have the request answered, or give the answer that there is."""
        if _NAME in request.meta and request.method not in _SAFE:
            return self._once(request)
        return self._handle(request)

    async def _once(self, request: Request) -> Reply:
        if self._check(request):
            raise _invalid("cannot be used where the answer is a stream")
        key, fingerprint = _key_of(request), _fingerprint_of(request)
        pause = _FIRST_PAUSE
        while (found := self._answers.begin(key, fingerprint)) is not None:
            first, reply = found
            if first != fingerprint:
                raise _invalid("was used for another request")
            if reply is not None:
                return reply
            # The deadline and the end of the connection are raised in here, as in an action that waits.
            if (waiting := self._running.get(key)) is not None:
                waiting.append(Deferred())
                return await waiting[-1]
            await deferLater(self._reactor, pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return await self._run(key, request)

    async def _run(self, key: bytes, request: Request) -> Reply:
        self._running[key] = []
        kept = UNKNOWN
        try:
            answer = self._handle(request)
            reply = answer if isinstance(answer, Reply) else await answer
            if reply.items is None:  # else a stream, which nobody can give again
                kept = reply
            return reply
        except ServiceError as error:
            if error.code not in _CUT_SHORT:
                kept = _kept(error)
            raise
        except GeneratorExit:  # nobody waits any more
            raise
        except BaseException:  # the caller is told no more of it than this
            kept = error_to_reply(Internal())
            raise
        finally:
            self._done(key, kept)

    def _done(self, key: bytes, kept: Reply) -> None:
        waiting = self._running.pop(key)
        # That it cannot be kept is in the log. The action was run, and its caller is to hear what came of it.
        with contextlib.suppress(Unavailable):
            self._answers.finish(key, kept)
        for each in waiting:
            each.callback(kept)  # one that was cancelled takes no notice


def _key_of(request: Request) -> bytes:
    key = request.meta[_NAME]
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise _invalid(f"has 1 to {_LONGEST_KEY} characters")
    return key.encode("utf-8", "surrogatepass")


def _fingerprint_of(request: Request) -> bytes:
    """What is the same only for the same request of the same user: nobody gets another user's answer."""
    head = msgspec.json.encode([request.method, request.path, request.query, request.peer.uid])
    digest = hashlib.blake2b(head, digest_size=16)
    digest.update(memoryview(request.data))
    return digest.digest()


def _kept(error: ServiceError) -> Reply:
    reply = error_to_reply(error)
    try:
        msgspec.json.encode(reply.detail)
    except Exception:  # it can be anything that an application came by; the caller is told as much
        return error_to_reply(Internal())
    return reply


def _invalid(words: str) -> Invalid:
    problem: dict[str, Any] = {"field": f"meta.{_NAME}", "message": f"the idempotency_key {words}"}
    return Invalid([problem])
