"""The client for asyncio programs, on any event loop; it imports no Twisted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from unixsvc.client.aio.directory_watch import wait_for_change
from unixsvc.client.aio.pending import PendingFuture, request
from unixsvc.client.aio.protocol import AsyncioClientProtocol
from unixsvc.client.aio.stream import Stream
from unixsvc.client.async_base import AsyncClientBase
from unixsvc.client.base import ClientOptions
from unixsvc.client.calls import Result, require_decodable, result_of
from unixsvc.client.connection import Call
from unixsvc.client.errors import ConnectionLost
from unixsvc.client.events import Received
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.pool import ConnectionPool
from unixsvc.client.retry import Pause
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.domain.call_options import CallOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.json import Json
from unixsvc.errors import ServiceError

if TYPE_CHECKING:
    from typing_extensions import override

__all__ = ["Client"]


class Client(AsyncClientBase[Coroutine[Any, Any, Result], Stream[Any]]):
    """Calls one service. Calls are coroutines; cancelling their task cancels the action in the service.

    Connections belong to the event loop that made them; on another loop, the client makes new ones.

    :param options: see :class:`unixsvc.client.base.ClientBase`.
    """

    def __init__(self, service: str, **options: Unpack[ClientOptions]) -> None:
        super().__init__(service, **options)
        self._loop: asyncio.AbstractEventLoop | None = None

    if TYPE_CHECKING:  # ClientBase cannot express that the result has the type of the argument

        @override
        async def call(
            self,
            method: str,
            path: str,
            data: object = None,
            *,
            type: ResultType[ResultT] = Json,
            **options: Unpack[CallOptions],
        ) -> ResultT: ...

        @override
        def stream(
            self,
            method: str,
            path: str,
            data: object = None,
            *,
            type: ResultType[ResultT] = Json,
            **options: Unpack[StreamOptions],
        ) -> Stream[ResultT]: ...

        @override
        async def get(self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object) -> ResultT: ...

        @override
        async def post(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> ResultT: ...

        @override
        async def put(self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object) -> ResultT: ...

        @override
        async def patch(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> ResultT: ...

        @override
        async def delete(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> ResultT: ...

    def close(self) -> None:
        """Close every connection; pending calls fail with Unavailable."""
        self._policy.closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._pool.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next turn

    async def _start(self, call: Call, timeout: float, type: ResultType[Json]) -> Result:
        if type is not Json:
            require_decodable(type)
        loop = asyncio.get_running_loop()
        multiplexer = None if self.breaker.failures or loop is not self._loop else self._pool.choose()
        if multiplexer is None:  # also if the client is closed
            return await self._call(call, timeout, type)
        self._budget.deposit()
        started = multiplexer.clock()
        future: asyncio.Future[Received] = loop.create_future()
        number = multiplexer.start(call, timeout, PendingFuture(future, started + timeout))
        try:
            data = await future
        except (ConnectionLost, ServiceError) as error:
            problem = error
        except BaseException:  # the task was cancelled
            multiplexer.cancel(number)
            raise
        else:
            if self.breaker.failures:
                self.breaker.succeeded()
            return result_of(data, type)
        return await self._resume(call, timeout, type, started, problem)

    async def _start_intercepted(self, call: Call, timeout: float, type: ResultType[Json]) -> Result:
        if type is not Json:
            require_decodable(type)
        return await self._call_through(call, timeout, type)

    def _start_stream(self, call: Call, timeout: float, type: ResultType[Json]) -> Stream[Any]:
        buffer = StreamBuffer()
        task = asyncio.get_running_loop().create_task(self._request(call, timeout, buffer))
        return Stream(type, buffer, task)

    def _connection(self, host: str | None = None) -> Multiplexer:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._pool = loop, ConnectionPool(self._connection_limit)
        return super()._connection(host)

    def _open_connection(self, host: str | None) -> Multiplexer:
        connection, credentials = self._finder.connect(relay=host is None)
        protocol = AsyncioClientProtocol(credentials, asyncio.get_running_loop(), self._pool.discard)
        protocol.open(connection)
        return protocol.multiplexer

    def _send(
        self, multiplexer: Multiplexer, call: Call, timeout: float, buffer: StreamBuffer | None
    ) -> Awaitable[Received]:
        return request(multiplexer, call, timeout, buffer)

    def _sleep(self, pause: Pause) -> Awaitable[None]:
        if pause.absent:
            return wait_for_change(self._finder.find().socket_dir, pause.seconds)
        return asyncio.sleep(pause.seconds)
