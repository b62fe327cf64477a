"""The client for asyncio programs, on whichever loop runs; it imports no Twisted.

For instance::

    async with unixsvc.aio.Client("shop") as shop:
        product = await shop.get("/products/7")
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from types import TracebackType
from typing import Any

from msgspec import Raw

from unixsvc.client.aio.protocol import AsyncioClientProtocol, Stream, change_in
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
from unixsvc.client.connection import Call
from unixsvc.client.location import ServiceLocation, find_location
from unixsvc.client.pool import ConnectionPool
from unixsvc.client.retry import CircuitBreaker, ConnectionLost, RetryBudget, RetryState, pause_or_raise
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.errors import ServiceError

__all__ = ["Client"]


class Client(HttpVerbs[Coroutine[Any, Any, Any]]):
    """Calls one service. Connections are made when they are needed, and shared by many calls.

    It belongs to the loop on which it is used; on another one it begins anew.

    :param service: its name.
    :param socket_dir: where its socket is, if not where the configuration in the current directory says.
    :param token: that is shown to it, if not the one of that configuration.
    :param timeout: of a call that has none of its own, in seconds.
    :param connections: how many there may be at a time.
    :ivar breaker: refuses calls for a while when many have not found the service.
    """

    def __init__(
        self,
        service: str,
        *,
        socket_dir: str | None = None,
        token: str | None = None,
        timeout: float = TIMEOUT,
        connections: int = 4,
    ) -> None:
        self._service = service
        self._socket_dir = socket_dir
        self._token = token
        self._timeout = timeout
        self._most = connections
        self._links: ConnectionPool[AsyncioClientProtocol] = ConnectionPool(connections)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._place: ServiceLocation | None = None
        self._budget = RetryBudget()
        self.breaker = CircuitBreaker()
        self._closed = False

    async def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
        meta: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        """Ask. To cancel the task that awaits this cancels the action, too.

        :param data: a dict or a Struct.
        :param timeout: for all of it, retries included, in seconds.
        :param type: what the result is to be.
        :param idempotency_key: by which the service knows the call again: with it, a call whose answer was
            lost is made again also if its method must not be repeated.
        :returns: the result.
        :raises ServiceError: what the service has answered; Unavailable if it cannot be asked;
            DeadlineExceeded when the time is over.
        """
        asked = make_call(method, path, data, meta, idempotency_key)
        seconds = timeout_or_default(timeout, self._timeout)
        link = self._link_at_hand()
        if link is None:
            return result_of(await self._ask(asked, seconds, None), type)
        started = time.monotonic()
        self._budget.deposit()
        number, done = link.begin(asked, seconds)
        try:
            data = await done
        except (ConnectionLost, ServiceError) as error:
            problem = error
        except BaseException:  # whoever asked was cancelled
            link.give_up(number)
            raise
        else:
            if self.breaker.failures:
                self.breaker.succeeded()
            return result_of(data, type)
        return result_of(await self._again(problem, asked, seconds, started), type)

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
        task = asyncio.get_running_loop().create_task(
            self._ask(asked, timeout_or_default(timeout, FOR_EVER), stream_buffer)
        )
        return Stream(type, stream_buffer, task)

    def stats(self) -> dict[str, Any]:
        """Whether the breaker is ``open``, the number of calls it has ``refused``, and of ``connections``."""
        is_open = self.breaker.is_open(time.monotonic())
        return {"open": is_open, "refused": self.breaker.refused, "connections": len(self._links)}

    def close(self) -> None:
        """End every connection; what is unanswered fails with Unavailable."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            for each in self._links.all():
                each.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await asyncio.sleep(0)  # by then the loop has let the connections go

    def _state(self, call: Call, seconds: float) -> RetryState:
        if self._closed:
            raise client_closed()
        now = time.monotonic()
        self.breaker.admit(now)
        return RetryState(call, now + seconds, seconds, self._budget, time.monotonic, random.random)

    async def _again(
        self, problem: ConnectionLost | ServiceError, call: Call, seconds: float, started: float
    ) -> Raw:
        """Go on with a call whose first try has failed."""
        now = time.monotonic
        state = RetryState(call, started + seconds, seconds, self._budget, now, random.random, started)
        await self._pause(problem, state, None)
        return await self._try(call, state, None)

    async def _ask(self, call: Call, seconds: float, stream_buffer: StreamBuffer | None) -> Raw:
        return await self._try(call, self._state(call, seconds), stream_buffer)

    async def _try(self, call: Call, state: RetryState, stream_buffer: StreamBuffer | None) -> Raw:
        while True:
            try:
                data = await self._link().ask(call, state.left(), stream_buffer)
            except (ConnectAttemptFailed, ConnectionLost, ServiceError) as error:
                problem = error
            else:
                self.breaker.succeeded()
                return data
            await self._pause(problem, state, stream_buffer)

    async def _pause(
        self,
        problem: ConnectAttemptFailed | ConnectionLost | ServiceError,
        state: RetryState,
        stream_buffer: StreamBuffer | None,
    ) -> None:
        """Wait until there may be another try; if there is to be none, the problem is raised."""
        again = not self._closed and (stream_buffer is None or not stream_buffer.seen)
        pause = pause_or_raise(problem, state, self.breaker, time.monotonic(), again=again)
        await self._wait(problem, pause)
        if self._closed:
            raise client_closed()

    async def _wait(self, problem: Exception, seconds: float) -> None:
        if isinstance(problem, ConnectAttemptFailed) and problem.absent and self._place is not None:
            await change_in(self._place.socket_dir, seconds)
        else:
            await asyncio.sleep(seconds)

    def _link_at_hand(self) -> AsyncioClientProtocol | None:
        """One on which a call can begin, where nothing is to be considered first; None else."""
        if self._closed or self.breaker.failures or asyncio.get_running_loop() is not self._loop:
            return None
        return self._links.choose()

    def _link(self) -> AsyncioClientProtocol:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._links = loop, ConnectionPool(self._most)
        link = self._links.choose()
        if link is None:
            link = self._connect(loop)
            self._links.add(link)
        return link

    def _connect(self, loop: asyncio.AbstractEventLoop) -> AsyncioClientProtocol:
        if self._place is None:
            self._place = find_location(self._socket_dir, self._token)
        connection = connect(self._place.socket_dir, self._service)
        link = AsyncioClientProtocol(self._place.shown, loop, self._links.discard)
        link.open(connection)
        return link
