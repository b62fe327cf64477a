"""The client for Twisted programs."""

from __future__ import annotations

import asyncio
import math
import random
import socket
import time
from functools import partial
from types import TracebackType
from typing import Any

from msgspec import Raw
from twisted.internet import error
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from unixsvc.client.calls import (
    FOR_EVER,
    TIMEOUT,
    HttpVerbs,
    client_closed,
    make_call,
    result_of,
    timeout_or_default,
)
from unixsvc.client.connect import ConnectAttemptFailed, connect
from unixsvc.client.connection import Call, ResponseReceived
from unixsvc.client.location import ServiceLocation, find_location
from unixsvc.client.pool import ConnectionPool
from unixsvc.client.retry import CircuitBreaker, ConnectionLost, RetryBudget, RetryState, pause_or_raise
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.client.twisted.directory_watch import change_in
from unixsvc.client.twisted.protocol import TwistedClientProtocol
from unixsvc.client.twisted.stream import Stream
from unixsvc.domain.message import Created
from unixsvc.errors import BadGateway, ServiceError
from unixsvc.transport.loop_transport import LoopTransport, Opening

__all__ = ["Client"]


class Client(HttpVerbs[Deferred[Any]]):
    """Calls one service. Connections are made when they are needed, and shared by many calls.

    :param service: its name.
    :param socket_dir: where its socket is, if not where the configuration in the current directory says.
    :param token: that is shown to it, if not the one of that configuration.
    :param timeout: of a call that has none of its own, in seconds.
    :param connections: how many there may be at a time.
    :param reactor: if not the one that is installed.
    """

    def __init__(
        self,
        service: str,
        *,
        socket_dir: str | None = None,
        token: str | None = None,
        timeout: float = TIMEOUT,
        connections: int = 4,
        reactor: Any = None,
    ) -> None:
        self._service = service
        self._socket_dir = socket_dir
        self._token = token
        self._timeout = timeout
        self._reactor = reactor
        self._clock: Any = None  # until the reactor is known for sure
        self._links: ConnectionPool[TwistedClientProtocol] = ConnectionPool(connections)
        self._place: ServiceLocation | None = None
        self._budget = RetryBudget()
        self.breaker = CircuitBreaker()
        self._closed = False

    def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
        meta: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Deferred[Any]:
        """Ask. To cancel what is returned cancels the action, too.

        :param data: a dict or a Struct.
        :param timeout: for all of it, retries included, in seconds.
        :param type: what the result is to be.
        :param idempotency_key: by which the service knows the call again: with it, a call whose answer was
            lost is made again also if its method must not be repeated.
        :returns: fires with the result; fails with the ServiceError that the service has answered, with
            Unavailable if it cannot be asked, with DeadlineExceeded when the time is over.
        """
        asked = make_call(method, path, data, meta, idempotency_key)
        seconds = timeout_or_default(timeout, self._timeout)
        link = None if self._closed or self.breaker.failures else self._links.choose()
        if link is None:
            return Deferred.fromCoroutine(self._call(asked, seconds, type))
        self._budget.deposit()
        return _Called(self, link, asked, seconds, type)

    def stream(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
        meta: dict[str, str] | None = None,
    ) -> Stream:
        """Ask for a stream: ``async for item in client.stream("GET", "/prices")``.

        It is not asked again when it breaks, as items have been seen. To leave the loop cancels it.

        :param timeout: for all of it, in seconds; none if None.
        :param type: what each item is to be.
        """
        asked, stream_buffer = make_call(method, path, data, meta), StreamBuffer()
        return Stream(
            type,
            stream_buffer,
            Deferred.fromCoroutine(self._ask(asked, timeout_or_default(timeout, FOR_EVER), stream_buffer)),
        )

    def open(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        limit: float | None = None,
        meta: dict[str, str] | None = None,
    ) -> Deferred[Raw | Created[Raw] | Stream]:
        """Ask where it is not known whether the answer is a stream.

        :param timeout: until the answer, or the first item of a stream, retries included; in seconds.
        :param limit: for all of a stream, in seconds; none if None.
        :returns: fires with the result, as JSON, in a Created where something was made; or with the stream,
            whose items are JSON, as soon as there is one. A stream without items is the result ``null``. It
            fails as that of :meth:`call`.
        """
        asked, seconds = make_call(method, path, data, meta), timeout_or_default(timeout, self._timeout)
        longer = math.inf if limit is None else max(limit - seconds, 0.0)
        return Deferred.fromCoroutine(self._ask(asked, seconds, None, longer))

    def stats(self) -> dict[str, Any]:
        """Whether the breaker is ``open``, the number of calls it has ``refused``, and of ``connections``."""
        is_open = self._clock is not None and self.breaker.is_open(self._clock.seconds())
        return {"open": is_open, "refused": self.breaker.refused, "connections": len(self._links)}

    def close(self) -> None:
        """End every connection; what is unanswered fails with Unavailable."""
        self._closed = True
        for each in self._links.all():
            each.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _call(self, call: Call, seconds: float, kind: Any) -> Any:
        return result_of(await self._ask(call, seconds, None), kind)

    async def _again(
        self, called: _Called, problem: ConnectAttemptFailed | ConnectionLost | ServiceError
    ) -> Any:
        """Go on with a call whose first try has failed."""
        call, seconds, started = called.call, called.seconds, called.started
        clock = self._clock.seconds
        state = RetryState(call, started + seconds, seconds, self._budget, clock, random.random, started)
        await self._pause(problem, state, None)
        return result_of(await self._try(call, state, None, None), called.kind)

    def _state(self, call: Call, seconds: float) -> RetryState:
        if self._closed:
            raise client_closed()
        if self._reactor is None:
            from twisted.internet import reactor  # only now is it the one that the program has installed

            self._reactor = reactor
        if self._clock is None:
            loop = getattr(self._reactor, "_asyncioEventloop", None)
            self._clock = self._reactor if loop is None else _LoopClock(loop)
        now = self._clock.seconds
        self.breaker.admit(now())
        return RetryState(call, now() + seconds, seconds, self._budget, now, random.random)

    async def _ask(
        self, call: Call, seconds: float, stream: StreamBuffer | None, longer: float | None = None
    ) -> Any:
        return await self._try(call, self._state(call, seconds), stream, longer)

    async def _try(
        self, call: Call, state: RetryState, stream: StreamBuffer | None, longer: float | None
    ) -> Any:
        while True:
            try:
                data = await self._link().ask(call, state.left(), stream, longer)
            except (ConnectAttemptFailed, ConnectionLost, ServiceError) as error:
                problem = error
            else:
                self.breaker.succeeded()
                return data
            await self._pause(problem, state, stream)

    async def _pause(
        self,
        problem: ConnectAttemptFailed | ConnectionLost | ServiceError,
        state: RetryState,
        stream: StreamBuffer | None,
    ) -> None:
        """Wait until there may be another try; if there is to be none, the problem is raised."""
        again = not self._closed and (stream is None or not stream.seen)
        pause = pause_or_raise(problem, state, self.breaker, self._clock.seconds(), again=again)
        await self._wait(problem, pause)
        if self._closed:
            raise client_closed()

    def _wait(self, problem: Exception, seconds: float) -> Deferred[None]:
        if isinstance(problem, ConnectAttemptFailed) and problem.absent and self._place is not None:
            return change_in(self._place.socket_dir, seconds, self._reactor)
        return deferLater(self._reactor, seconds)

    def _link(self) -> TwistedClientProtocol:
        link = self._links.choose()
        if link is None:
            link = self._connect()
            self._links.add(link)
        return link

    def _connect(self) -> TwistedClientProtocol:
        if self._place is None:
            self._place = find_location(self._socket_dir, self._token)
        connection = connect(self._place.socket_dir, self._service)
        link = TwistedClientProtocol(self._place.shown, self._clock, self._links.discard)
        loop = getattr(self._reactor, "_asyncioEventloop", None)
        if loop is not None:
            _join(loop, connection, link)
            return link
        with connection:  # the reactor has a descriptor of its own
            factory = Factory.forProtocol(lambda: link)
            factory.noisy = False
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, factory)
        return link


def _join(loop: asyncio.AbstractEventLoop, connection: socket.socket, link: TwistedClientProtocol) -> None:
    """Have the loop under the reactor carry the bytes: that takes half of what it costs the reactor."""
    transport = LoopTransport(link, UNIXAddress(None), bool)
    lost = partial(link.connectionLost, Failure(error.ConnectionLost()))
    Opening(loop.connect_accepted_socket(lambda: transport, connection), lost)


class _LoopClock:
    """The clock of a loop, as a link wants it. What uvloop's own tells is when its turn has begun."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.seconds = time.monotonic
        self.callLater = loop.call_later


class _Called(Deferred[Any]):
    """A call whose first try is under way. Only if that fails there is a coroutine that goes on with it.

    :param link: where it is tried.
    :param kind: what the result is to be.
    """

    stream: StreamBuffer | None = None
    ends = 0.0  # for a link it is no stream

    def __init__(
        self, client: Client, link: TwistedClientProtocol, call: Call, seconds: float, kind: Any
    ) -> None:
        super().__init__(_take_back)
        self.call = call
        self.seconds = seconds
        self.kind = kind
        self.started = client._clock.seconds()
        self.deadline = self.started + seconds
        self._client = client
        self._link = link
        self._rest: Deferred[Any] | None = None
        self._number = link.begin(call, seconds, self)

    def answered(self, event: ResponseReceived) -> None:
        """The service has given a result."""
        if self._client.breaker.failures:
            self._client.breaker.succeeded()
        try:
            result = result_of(event.data, self.kind)
        except BadGateway as error:
            self.errback(Failure(error))
        else:
            self.callback(result)

    def failed(self, error: ConnectionLost | ServiceError) -> None:
        """It has given none: its failure is told, or it is asked again."""
        self._rest = Deferred.fromCoroutine(self._client._again(self, error))
        self._rest.addCallbacks(self.callback, self.errback)

    def give_up(self) -> None:
        """Whoever has asked does not wait any longer."""
        if self._rest is None:
            self._link.give_up(self._number)
        else:
            self._rest.cancel()


def _take_back(called: Any) -> None:
    """What is called when it is cancelled: no method of its own, as that would make a circle of each call."""
    called.give_up()
