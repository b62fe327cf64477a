"""The client for scripts and threads; it imports neither Twisted nor asyncio.

For instance::

    product = unixsvc.blocking.Client("shop").get("/products/7")

Each call has a connection of its own while it lasts, from a pool of idle ones. So it is the calling thread
that reads: nothing goes on behind the back of the program, an interrupt comes out where the program waits,
and there is no thread that a fork could lose.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Generator
from types import TracebackType
from typing import Any

from msgspec import Raw

from unixsvc.client.blocking.connection import BlockingConnection, BlockingConnectionPool
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
from unixsvc.client.inotify import wait_for_change
from unixsvc.client.location import ServiceLocation, find_location
from unixsvc.client.retry import CircuitBreaker, ConnectionLost, RetryBudget, RetryState, pause_or_raise
from unixsvc.errors import ServiceError

__all__ = ["Client", "Stream"]


class Stream:
    """Items as they come.

    :param items: ended by closing them.
    """

    def __init__(self, items: Generator[Any, None, None]) -> None:
        self._items = items

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        """The next item.

        :raises ServiceError: if the stream has failed.
        """
        return next(self._items)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Read no more: the generator at the other end is cancelled."""
        self._items.close()


class Client(HttpVerbs[Any]):
    """Calls one service. Many threads may call at once, and a process that was forked may go on with it.

    :param service: its name.
    :param socket_dir: where its socket is, if not where the configuration in the current directory says.
    :param token: that is shown to it, if not the one of that configuration.
    :param timeout: of a call that has none of its own, in seconds.
    :param connections: how many are kept for further calls. While more threads call, there are more: one
        that waited for another to end might wait for itself, as a stream keeps its connection.
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
        self._pool = BlockingConnectionPool(connections)
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
    ) -> Any:
        """Ask. An exception that a signal handler raises meanwhile, as KeyboardInterrupt, cancels the action.

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
        state = self._state(asked, timeout_or_default(timeout, self._timeout))
        while True:
            try:
                answer = self._ask(asked, state)
            except (ConnectAttemptFailed, ConnectionLost, ServiceError) as error:
                self._pause_after(error, state, again=True)
            else:
                self.breaker.succeeded()
                return result_of(answer, type)

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
        """Ask for a stream: ``for item in client.stream("GET", "/prices")``. The first item asks for it.

        It is not asked again when it breaks, as items have been seen. To leave the loop cancels it.

        :param timeout: for all of it, in seconds; none if None.
        :param type: what each item is to be.
        """
        seconds = timeout_or_default(timeout, FOR_EVER)
        return Stream(self._stream(make_call(method, path, data, meta), seconds, type))

    def stats(self) -> dict[str, Any]:
        """Whether the breaker is ``open``, the number of calls it has ``refused``, and of ``connections``."""
        is_open = self.breaker.is_open(time.monotonic())
        return {"open": is_open, "refused": self.breaker.refused, "connections": len(self._own_pool())}

    def close(self) -> None:
        """End every connection; calls of other threads that are unanswered fail with Unavailable."""
        self._closed = True
        self._own_pool().close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _state(self, call: Call, seconds: float) -> RetryState:
        now = time.monotonic()
        with self._own_pool().lock:
            if self._closed:
                raise client_closed()
            self.breaker.admit(now)
            return RetryState(call, now + seconds, seconds, self._budget, time.monotonic, random.random)

    def _ask(self, call: Call, state: RetryState) -> Raw:
        pool = self._own_pool()
        link = pool.take() or self._connect(pool)
        try:
            return link.ask(call, state.left)
        finally:
            pool.put(link)  # which closes it where the call is still unanswered

    def _stream(self, call: Call, seconds: float, kind: Any) -> Generator[Any, None, None]:
        state, seen = self._state(call, seconds), False
        while True:
            try:
                pool = self._own_pool()
                link = pool.take() or self._connect(pool)
                try:
                    for item in link.ask_stream(call, state.left):
                        seen = True
                        yield result_of(item, kind)
                finally:
                    pool.put(link)
            except (ConnectAttemptFailed, ConnectionLost, ServiceError) as error:
                self._pause_after(error, state, again=not seen)
            else:
                self.breaker.succeeded()
                return

    def _pause_after(
        self,
        error: ConnectAttemptFailed | ConnectionLost | ServiceError,
        state: RetryState,
        *,
        again: bool,
    ) -> None:
        again &= not self._closed
        with self._own_pool().lock:
            pause = pause_or_raise(error, state, self.breaker, time.monotonic(), again=again)
        if isinstance(error, ConnectAttemptFailed) and error.absent and self._place is not None:
            wait_for_change(self._place.socket_dir, pause)
        else:
            time.sleep(pause)
        if self._closed:
            raise client_closed()

    def _own_pool(self) -> BlockingConnectionPool:
        """The pool of this process: a child leaves the connections of its parent alone."""
        if self._pool.pid != os.getpid():
            self._pool = BlockingConnectionPool(self._most)
        return self._pool

    def _connect(self, pool: BlockingConnectionPool) -> BlockingConnection:
        if self._place is None:
            self._place = find_location(self._socket_dir, self._token)
        link = BlockingConnection(connect(self._place.socket_dir, self._service), self._place.shown)
        pool.add(link)
        return link
