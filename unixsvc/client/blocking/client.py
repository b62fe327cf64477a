"""The client for scripts and threads; it imports neither Twisted nor asyncio."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, Unpack

from msgspec import Raw

from unixsvc.client.base import ClientBase, ClientOptions
from unixsvc.client.blocking.connection import BlockingConnection
from unixsvc.client.blocking.intercepted import blocking_items, later_items, run_now
from unixsvc.client.blocking.pool import BlockingConnectionPool
from unixsvc.client.calls import NO_LIMIT, Result, require_decodable, result_of
from unixsvc.client.connection import Call
from unixsvc.client.discovery.inotify import wait_for_change
from unixsvc.client.errors import AttemptFailed, ConnectAttemptFailed, ConnectionLost
from unixsvc.client.events import ItemReceived, Received, ResponseReceived, data_of
from unixsvc.client.intercepted import call_of, raw_result, reply_of, send_through
from unixsvc.client.retry import RetryState
from unixsvc.domain.call_options import CallOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.json import Json
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import ServiceError

if TYPE_CHECKING:
    from typing_extensions import override

__all__ = ["Client", "Stream"]


class _Closing:
    """A context manager that closes itself."""

    def close(self) -> None:
        """Release what it holds."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Stream(_Closing, Generic[ResultT]):
    """The items of a stream, as an iterator. Leaving the loop, or closing it, cancels the stream.

    :param items: the items.
    :param type: what each item is decoded as.
    :ivar head: what the reply says over HTTP besides: status, header fields, media type. None before the
        first item, and if it says no more than usual.
    """

    def __init__(self, items: Generator[ItemReceived, None, Received], type: ResultType[ResultT]) -> None:
        self._items = items
        self._type = type
        self.head: ReplyHead | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ResultT:
        """The next item.

        :raises ServiceError: if the stream has failed.
        """
        item = next(self._items)
        if item.head is not None:
            self.head = item.head
        try:
            result: ResultT = result_of(item.data, self._type)
        except ServiceError:
            self.close()
            raise
        return result

    def close(self) -> None:
        """Cancel the stream."""
        self._items.close()


class Client(_Closing, ClientBase[Result, Stream[Any]]):
    """Calls one service, from any number of threads. After a fork, the child uses connections of its own.

    An exception that a signal handler raises during a call, such as KeyboardInterrupt, cancels the action. A
    stream is requested when its first item is. The limit of connections is that of idle ones: there are more
    while more threads call, as a thread that has an open stream would wait for itself.

    :param options: see :class:`unixsvc.client.base.ClientBase`.
    """

    def __init__(self, service: str, **options: Unpack[ClientOptions]) -> None:
        super().__init__(service, **options)
        self._pool = BlockingConnectionPool(self._connection_limit)

    if TYPE_CHECKING:  # ClientBase cannot express that the result has the type of the argument

        @override
        def call(
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
        def get(self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object) -> ResultT: ...

        @override
        def post(self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object) -> ResultT: ...

        @override
        def put(self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object) -> ResultT: ...

        @override
        def patch(self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object) -> ResultT: ...

        @override
        def delete(self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object) -> ResultT: ...

    def request(self, call: Call, timeout: float, on_item: Callable[[Raw], object] | None = None) -> Raw:
        """Make a call without decoding its result.

        :param timeout: for all attempts together, in seconds.
        :param on_item: called with each item of a stream, as JSON; None if the reply must not be a stream.
        :returns: the result, as JSON.
        :raises ServiceError: as :meth:`call`.
        """
        if on_item is None:
            return data_of(self._request(call, timeout))
        with closing(self._items(call, timeout, either=True)) as items:
            while True:
                try:
                    item = next(items)
                except StopIteration as end:
                    return data_of(end.value)
                on_item(item.data)

    def close(self) -> None:
        """Close every connection; pending calls of other threads fail with Unavailable."""
        self._policy.closed = True
        self._pool.close()

    def _request(self, call: Call, timeout: float) -> Received:
        left = timeout = timeout if timeout < NO_LIMIT else NO_LIMIT
        policy = self._policy
        # The lock is for what changes something: it takes longer than the rest.
        changes = policy.closed or self.breaker.failures or self._budget.spent
        now = self._admit() if changes else policy.clock()
        deadline, state, pool = now + timeout, None, self._pool
        while True:
            try:
                connection = pool.take(now) or self._open_connection(now)
                try:
                    data = connection.request(call, left, deadline)
                finally:
                    pool.put_back(connection)
            except (ConnectAttemptFailed, ConnectionLost, ServiceError) as error:
                state = state or RetryState(policy, call, timeout, now)
                left = self._pause(error, state)
                now = deadline - left
            else:
                if data is not None:  # else that connection has ended, and there is another
                    if self.breaker.failures:
                        self.breaker.succeeded()
                    return data

    def _start(self, call: Call, timeout: float, type: ResultType[Json]) -> Result:
        if type is not Json:
            require_decodable(type)
        return result_of(self._request(call, timeout), type)

    def _start_stream(self, call: Call, timeout: float, type: ResultType[Json]) -> Stream[Any]:
        return Stream(self._items(call, timeout), type)

    def _start_intercepted(self, call: Call, timeout: float, type: ResultType[Json]) -> Result:
        async def send(request: Request, left: float | None) -> Reply:
            return reply_of(self._request(call_of(request), timeout if left is None else left))

        if type is not Json:
            require_decodable(type)
        calling = send_through(self._interceptors, self._service, call, timeout, send)
        return result_of(raw_result(run_now(calling)), type)

    def _start_intercepted_stream(self, call: Call, timeout: float, type: ResultType[Json]) -> Stream[Any]:
        heads: list[ReplyHead] = []  # of the reply, once its first item is there

        async def send(request: Request, left: float | None) -> Reply:
            items = self._items(call_of(request), timeout if left is None else left)
            return Reply(items=later_items(items, heads))

        def start() -> Awaitable[Reply]:
            return send_through(self._interceptors, self._service, call, limit, send)

        limit = None if timeout >= NO_LIMIT else timeout
        return Stream(blocking_items(start, heads), type)

    def _connection_count(self) -> int:
        return len(self._pool)

    def _items(
        self, call: Call, timeout: float, *, either: bool = False
    ) -> Generator[ItemReceived, None, Received]:
        """Request a stream: its items; it returns the result."""
        state, left, seen = RetryState(self._policy, call, timeout, self._admit()), timeout, False
        pool = self._pool
        while True:
            try:
                now = state.deadline - left
                connection = pool.take(now) or self._open_connection(now)
                try:
                    for event in connection.stream(call, left, state.deadline, either=either):
                        if isinstance(event, ResponseReceived):
                            state.succeeded()
                            return event.result
                        seen = True
                        yield event
                finally:
                    pool.put_back(connection)
            except (ConnectAttemptFailed, ConnectionLost, ServiceError) as error:
                left = self._pause(error, state, final=seen)

    def _admit(self) -> float:
        """Admit a call; the time of its start."""
        with self._pool.lock:
            return self._policy.admit()

    def _pause(self, problem: AttemptFailed, state: RetryState, *, final: bool = False) -> float:
        """Wait before the next attempt; seconds until the deadline after that."""
        with self._pool.lock:
            pause = state.failed(problem, final=final)
        if pause.absent:
            wait_for_change(self._finder.find().socket_dir, pause.seconds)
        else:
            time.sleep(pause.seconds)
        return state.time_left()  # raises an error if the client was closed meanwhile

    def _open_connection(self, now: float) -> BlockingConnection:
        connection = BlockingConnection(*self._finder.connect())
        self._pool.add(connection, now)
        return connection
