"""Pending calls of the Twisted client: each fires a Deferred."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from unixsvc.client.breaker import CircuitBreaker
from unixsvc.client.calls import NO_LIMIT, Result, result_of
from unixsvc.client.connection import Call
from unixsvc.client.errors import AttemptFailed, ConnectAttemptFailed, ConnectionLost, error_for_caller
from unixsvc.client.events import Received, ResponseReceived
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.client.twisted.stream import Stream
from unixsvc.domain.message import Created, Reply
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import BadGateway
from unixsvc.wire.heads import reply_from_wire

__all__ = ["FirstAttempt", "open_either", "request"]


Resume = Callable[[Call, float, TypeForm, float, AttemptFailed], Coroutine[Any, Any, Result]]


class _Pending:
    """A pending call.

    :param deferred: fires with the result.
    """

    __slots__ = ("buffer", "deadline", "deferred")

    def __init__(self, deferred: Deferred[Any], deadline: float, buffer: StreamBuffer | None) -> None:
        self.deferred = deferred
        self.deadline = deadline
        self.buffer = buffer

    def succeed(self, response: ResponseReceived) -> None:
        self.deferred.callback(response.data if response.head is None else response.result)

    def fail(self, error: AttemptFailed) -> None:
        self.deferred.errback(Failure(error))

    def start_stream(self, id: int, buffer: StreamBuffer) -> bool:
        return False


class _Either(_Pending):
    """A pending call whose reply may be a stream.

    :param deferred: fires with the result, as JSON; a :class:`Created`; a :class:`Reply` for one with a head;
        or a :class:`Stream`.
    :param stream_deadline: the deadline if it is a stream.
    """

    __slots__ = ("_multiplexer", "_stream_deadline")

    def __init__(
        self, deferred: Deferred[Any], deadline: float, stream_deadline: float, multiplexer: Multiplexer
    ) -> None:
        super().__init__(deferred, deadline, None)
        self._stream_deadline = stream_deadline
        self._multiplexer = multiplexer

    def succeed(self, response: ResponseReceived) -> None:
        if response.head is not None:
            self._succeed_with_head(response, response.head)
        elif response.location is None:
            self.deferred.callback(response.data)
        else:
            self.deferred.callback(Created(response.data, response.location))

    def _succeed_with_head(self, response: ResponseReceived, head: ReplyHead) -> None:
        try:
            reply = reply_from_wire(response.data, response.location, head)
        except BadGateway as error:
            self.deferred.errback(Failure(error))
        else:
            self.deferred.callback(reply)

    def start_stream(self, id: int, buffer: StreamBuffer) -> bool:
        now = self._multiplexer.clock()
        self.deadline = min(max(self._stream_deadline, now), now + NO_LIMIT)
        self.buffer = buffer
        multiplexer = self._multiplexer
        opened, self.deferred = self.deferred, Deferred(lambda _: multiplexer.cancel(id))
        stream = Stream(Raw, buffer, self.deferred.addErrback(_for_reader))
        stream.send_item = partial(multiplexer.send_item, id)
        opened.callback(stream)
        return True


def _for_reader(failure: Failure) -> Failure:
    """The error that the reader of a stream gets."""
    problem = failure.value
    if isinstance(problem, ConnectionLost | ConnectAttemptFailed):
        return Failure(error_for_caller(problem))
    return failure


def request(
    multiplexer: Multiplexer, call: Call, timeout: float, buffer: StreamBuffer | None = None
) -> Deferred[Received]:
    """Make one attempt.

    :param timeout: in seconds.
    :param buffer: receives the items, if a stream is requested.
    :returns: fires with the result, or at the end of the stream; fails with ServiceError, or with
        ConnectionLost.
    """
    deferred: Deferred[Received] = Deferred(lambda _: multiplexer.cancel(number))
    pending = _Pending(deferred, multiplexer.clock() + min(timeout, NO_LIMIT), buffer)
    if buffer is None:
        number = multiplexer.start(call, timeout, pending)
    else:
        number = multiplexer.start_stream(call, timeout, pending)
    return deferred


def open_either(
    multiplexer: Multiplexer, call: Call, timeout: float, limit: float | None
) -> Deferred[Raw | Created[Raw] | Reply | Stream[Raw]]:
    """Make one attempt of a call whose reply may be a stream.

    :param timeout: for the result, or the first item of a stream; in seconds.
    :param limit: for the stream after that, in seconds; None for no limit.
    :returns: as :func:`request`; also fires with the stream, after its first item.
    """
    deferred: Deferred[Raw | Created[Raw] | Reply | Stream[Raw]] = Deferred(
        lambda _: multiplexer.cancel(number)
    )
    now, stream_limit = multiplexer.clock(), NO_LIMIT if limit is None else limit
    pending = _Either(deferred, now + min(timeout, NO_LIMIT), now + timeout + stream_limit, multiplexer)
    seconds = None if limit is None else timeout + limit
    number = multiplexer.start_stream(call, seconds, pending, either=True)
    return deferred


class FirstAttempt(Deferred[Result]):
    """A call during its first attempt, on an open connection. A coroutine exists only if that fails.

    :param resume: continues the call after its first attempt has failed.
    :param type: what the result is decoded as.
    """

    buffer: StreamBuffer | None = None

    def __init__(
        self,
        multiplexer: Multiplexer,
        call: Call,
        timeout: float,
        type: TypeForm,
        breaker: CircuitBreaker,
        resume: Resume,
    ) -> None:
        super().__init__(_cancel)
        self._call = call
        self._timeout = timeout
        self._type = type
        self._started = multiplexer.clock()
        self.deadline = self._started + timeout
        self._multiplexer = multiplexer
        self._breaker = breaker
        self._resume = resume
        self._retries: Deferred[Result] | None = None
        self._number = multiplexer.start(call, timeout, self)

    def succeed(self, response: ResponseReceived) -> None:
        """The service replied with a result."""
        if self._breaker.failures:
            self._breaker.succeeded()
        try:
            result = result_of(response.data if response.head is None else response.result, self._type)
        except BadGateway as error:
            self.errback(Failure(error))
        else:
            self.callback(result)

    def fail(self, error: AttemptFailed) -> None:
        """The first attempt has failed: retry, or fail with the error."""
        self._retries = Deferred.fromCoroutine(
            self._resume(self._call, self._timeout, self._type, self._started, error)
        )
        self._retries.addCallbacks(self.callback, self.errback)

    def start_stream(self, id: int, buffer: StreamBuffer) -> bool:
        """The reply must not be a stream."""
        return False

    def stop(self) -> None:
        """Cancel the call."""
        if self._retries is None:
            self._multiplexer.cancel(self._number)
        else:
            self._retries.cancel()


def _cancel(call: Deferred[Result]) -> None:
    """The canceller of a :class:`FirstAttempt`; a bound method would make each call a reference cycle."""
    cast(FirstAttempt, call).stop()
