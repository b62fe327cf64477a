"""What the asynchronous clients share: calls over multiplexed connections, and their retries. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

from msgspec import Raw

from unixsvc.client.base import ClientBase, ClientOptions
from unixsvc.client.calls import NO_LIMIT, Result, result_of
from unixsvc.client.connection import Call
from unixsvc.client.errors import AttemptFailed
from unixsvc.client.events import Received
from unixsvc.client.intercepted import (
    InterceptedStream,
    call_of,
    items_of,
    raw_result,
    reply_of,
    send_through,
)
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.pool import ConnectionPool
from unixsvc.client.retry import Pause, RetryState, retry
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.domain.call_options import ResultType
from unixsvc.domain.json import Json
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.validation.type_forms import TypeForm

__all__ = ["AsyncClientBase"]

R = TypeVar("R")
S = TypeVar("S")


class AsyncClientBase(ClientBase[R, S]):
    """A client whose connections each carry many calls at a time.

    Its coroutines await only what the binding returns, so they run under asyncio and under Twisted.
    """

    def __init__(self, service: str, **options: Unpack[ClientOptions]) -> None:
        super().__init__(service, **options)
        self._pool = ConnectionPool(self._connection_limit)

    def close(self) -> None:
        """Close every connection; pending calls fail with Unavailable."""
        self._policy.closed = True
        self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connection_count(self) -> int:
        return len(self._pool)

    async def _call(self, call: Call, timeout: float, type: TypeForm) -> Result:
        return result_of(await self._request(call, timeout), type)

    async def _call_through(self, call: Call, timeout: float, type: TypeForm) -> Result:
        """Make a call through the interceptors."""
        reply = await send_through(self._interceptors, self._service, call, timeout, self._send_intercepted)
        return result_of(raw_result(reply), type)

    async def _send_intercepted(self, request: Request, timeout: float | None) -> Reply:
        seconds = NO_LIMIT if timeout is None else timeout
        return reply_of(await self._request(call_of(request), seconds))

    def _start_intercepted_stream(self, call: Call, timeout: float, type: ResultType[Json]) -> S:
        limit = None if timeout >= NO_LIMIT else timeout

        async def send(request: Request, timeout: float | None) -> Reply:
            seconds = NO_LIMIT if timeout is None else timeout
            start: Any = self.__class__._start_stream  # of a type that Python cannot express, as is S
            stream.source = start(self, call_of(request), seconds, Raw)
            return Reply(items=items_of(stream.source))

        async def request() -> Reply:
            return await send_through(self._interceptors, self._service, call, limit, send)

        stream: InterceptedStream[Any] = InterceptedStream(type, request)
        return cast(S, stream)

    async def _request(self, call: Call, timeout: float, buffer: StreamBuffer | None = None) -> Received:
        """Make a call, or request a stream, with retries; the result, or the end of the stream."""
        state = self._start_call(call, timeout)
        return await retry(state, self._attempt(state, call, buffer), self._sleep, buffer=buffer)

    async def _resume(
        self,
        call: Call,
        timeout: float,
        type: TypeForm,
        started: float,
        problem: AttemptFailed,
    ) -> Result:
        """Continue a call whose first attempt has failed."""
        state = RetryState(self._policy, call, timeout, started)
        return result_of(await retry(state, self._attempt(state, call), self._sleep, problem=problem), type)

    def _attempt(
        self, state: RetryState, call: Call, buffer: StreamBuffer | None = None
    ) -> Callable[[float], Awaitable[Received]]:
        return lambda left: self._send(self._connection(state.host), call, left, buffer)

    def _start_call(self, call: Call, timeout: float) -> RetryState:
        return self._policy.start(call, timeout)

    def _connection(self, host: str | None = None) -> Multiplexer:
        """A connection for the next call.

        :param host: the only host that it may be to, empty for this one; None for any.
        """
        multiplexer = self._pool.choose() if host is None else self._pool.choose_on(host)
        if multiplexer is None:
            multiplexer = self._open_connection(host)
            self._pool.add(multiplexer)
        return multiplexer

    def _open_connection(self, host: str | None) -> Multiplexer:
        """Make a new connection.

        :param host: as for :meth:`_connection`.
        """
        raise NotImplementedError

    def _send(
        self, multiplexer: Multiplexer, call: Call, timeout: float, buffer: StreamBuffer | None
    ) -> Awaitable[Received]:
        """Make one attempt."""
        raise NotImplementedError

    def _sleep(self, pause: Pause) -> Awaitable[None]:
        """Wait before the next attempt."""
        raise NotImplementedError
