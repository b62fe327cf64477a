"""The client for Twisted programs."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Unpack

from msgspec import Raw
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost as ConnectionLostReason
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from unixsvc.client.async_base import AsyncClientBase
from unixsvc.client.base import ClientOptions
from unixsvc.client.calls import Result, make_call, require_decodable, timeout_or_default
from unixsvc.client.connection import Call
from unixsvc.client.deadline_timer import CallLater
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.errors import ConnectAttemptFailed, ServiceUnreachable
from unixsvc.client.events import Received
from unixsvc.client.intercepted import HeadedItems, call_of, open_result, reply_of, send_through
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.retry import Pause, RetryState, retry
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.client.twisted.directory_watch import wait_for_change
from unixsvc.client.twisted.other_hosts import OtherHosts
from unixsvc.client.twisted.pending import FirstAttempt, open_either, request
from unixsvc.client.twisted.protocol import Clock, TwistedClientProtocol
from unixsvc.client.twisted.stream import Stream
from unixsvc.domain.call_options import CallOptions, OpenOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.json import Json
from unixsvc.domain.message import Created, Reply, Request
from unixsvc.transport.loop_transport import ConnectionOpener, LoopTransport
from unixsvc.transport.private_apis import asyncio_loop_of

if TYPE_CHECKING:
    from typing_extensions import override

__all__ = ["Client", "RawStream"]

RawStream: TypeAlias = Stream[Raw] | HeadedItems

# How often a client that calls another host looks for the service on its own, in seconds.
_LOCAL_INTERVAL: Final = 0.5


class Client(AsyncClientBase[Deferred[Result], Stream[Any]]):
    """Calls one service. Calls return Deferreds; cancelling one cancels the action in the service.

    :param options: see :class:`unixsvc.client.base.ClientBase`.
    :param reactor: the reactor; if None, the installed one.
    :param other_hosts: makes connections to other hosts; None to call services of this host only.
    """

    _clock: Clock

    def __init__(
        self,
        service: str,
        *,
        reactor: Any = None,
        other_hosts: OtherHosts | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(service, **options)
        self._service = service
        self._reactor = reactor
        self._other_hosts = other_hosts
        self._looks_for_local = False
        self._has_clock = False  # until the first call, when the program has installed its reactor
        if options.get("interceptors"):
            self._open = self._open_intercepted  # type: ignore[method-assign]  # as in ClientBase

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
        ) -> Deferred[ResultT]: ...

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
        def get(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> Deferred[ResultT]: ...

        @override
        def post(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> Deferred[ResultT]: ...

        @override
        def put(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> Deferred[ResultT]: ...

        @override
        def patch(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> Deferred[ResultT]: ...

        @override
        def delete(
            self, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
        ) -> Deferred[ResultT]: ...

    def open(
        self, method: str, path: str, data: object = None, **options: Unpack[OpenOptions]
    ) -> Deferred[Raw | Created[Raw] | Reply | RawStream]:
        """Make a call whose reply may be a stream or not.

        :param options: ``timeout``, for the result, or the first item of a stream, retries included; in
            seconds. ``limit``, for a whole stream, in seconds; None for no limit. ``meta``, as for ``call``.
        :returns: fires with the result, as JSON, in a Created if a resource was created, or in a Reply if it
            has a status, header fields or a media type of its own, with the body as it is; or with the
            stream, whose items are JSON, after its first item. A stream without items is the result ``null``.
            It fails as :meth:`call` does.
        """
        call = make_call(method, path, data, options.get("meta"))
        seconds = timeout_or_default(options.get("timeout"), self._timeout)
        limit = options.get("limit")
        rest = None if limit is None else max(limit - seconds, 0.0)
        return Deferred.fromCoroutine(self._open(call, seconds, rest))

    def _start(self, call: Call, timeout: float, type: ResultType[Json]) -> Deferred[Result]:
        if type is not Json:
            require_decodable(type)
        multiplexer = None if self.breaker.failures else self._pool.choose()
        if multiplexer is None:  # also if the client is closed
            return Deferred.fromCoroutine(self._call(call, timeout, type))
        self._budget.deposit()
        return FirstAttempt(multiplexer, call, timeout, type, self.breaker, self._resume)

    def _start_intercepted(self, call: Call, timeout: float, type: ResultType[Json]) -> Deferred[Result]:
        if type is not Json:
            require_decodable(type)
        return Deferred.fromCoroutine(self._call_through(call, timeout, type))

    def _start_stream(self, call: Call, timeout: float, type: ResultType[Json]) -> Stream[Any]:
        buffer = StreamBuffer()
        return Stream(type, buffer, Deferred.fromCoroutine(self._request(call, timeout, buffer)))

    async def _open(
        self, call: Call, timeout: float, limit: float | None
    ) -> Raw | Created[Raw] | Reply | RawStream:
        state = self._start_call(call, timeout)
        return await retry(
            state, lambda left: open_either(self._connection(), call, left, limit), self._sleep
        )

    async def _open_intercepted(
        self, call: Call, timeout: float, limit: float | None
    ) -> Raw | Created[Raw] | Reply | RawStream:
        async def send(request: Request, left: float | None) -> Reply:
            seconds = timeout if left is None else left
            return reply_of(await Client._open(self, call_of(request), seconds, limit))

        return open_result(await send_through(self._interceptors, self._service, call, timeout, send))

    def _start_call(self, call: Call, timeout: float) -> RetryState:
        if not self._has_clock:
            if self._reactor is None:
                from twisted.internet import reactor  # late: importing it installs one

                self._reactor = reactor
            loop = asyncio_loop_of(self._reactor)
            self._clock = self._reactor if loop is None else _LoopClock(loop)
            self._policy.clock = self._clock.seconds
            self._has_clock = True
        return self._policy.start(call, timeout)

    def _sleep(self, pause: Pause) -> Deferred[None]:
        if pause.absent:
            return wait_for_change(self._finder.find().socket_dir, pause.seconds, self._reactor)
        return deferLater(self._reactor, pause.seconds)

    def _send(
        self, multiplexer: Multiplexer, call: Call, timeout: float, buffer: StreamBuffer | None
    ) -> Deferred[Received]:
        return request(multiplexer, call, timeout, buffer)

    def _open_connection(self, host: str | None) -> Multiplexer:
        others = self._other_hosts
        if others is None or host == "":
            return self._open_local(relay=others is None and host is None)
        if host:
            return self._open_remote(others, host)
        remote_first = others.prefer == "any" and 2 * len(self._pool.to_other_hosts()) <= len(self._pool)
        if not remote_first:
            try:
                return self._open_local()
            except ConnectAttemptFailed:
                if others.prefer == "only-local":
                    raise
        opened = self._open_remote(others)
        if others.prefer == "local":
            self._look_for_local()
        return opened

    def _open_remote(self, others: OtherHosts, host: str = "") -> Multiplexer:
        protocol = TwistedClientProtocol(Credentials(None), self._clock, self._pool.discard)
        others.connect(self._service, host, protocol)
        return protocol.multiplexer

    def _look_for_local(self) -> None:
        """Go back to the service of this host as soon as it can be reached again."""
        if not self._looks_for_local:
            self._looks_for_local = True
            self._clock.callLater(_LOCAL_INTERVAL, self._try_local)

    def _try_local(self) -> None:
        self._looks_for_local = False
        remote = self._pool.to_other_hosts()
        if not remote or self._policy.closed:
            return
        try:
            self._pool.add(self._open_local())
        except (ConnectAttemptFailed, ServiceUnreachable):
            self._look_for_local()
            return
        for each in remote:
            each.leave()

    def _open_local(self, *, relay: bool = False) -> Multiplexer:
        connection, credentials = self._finder.connect(relay=relay)
        protocol = TwistedClientProtocol(credentials, self._clock, self._pool.discard)
        loop = asyncio_loop_of(self._reactor)
        if loop is not None:
            _hand_to_loop(loop, connection, protocol)
            return protocol.multiplexer
        with connection:  # the reactor duplicates the descriptor
            factory = Factory.forProtocol(lambda: protocol)
            factory.noisy = False
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, factory)
        return protocol.multiplexer


def _hand_to_loop(
    loop: asyncio.AbstractEventLoop, connection: socket.socket, protocol: TwistedClientProtocol
) -> None:
    """Let the event loop below the reactor do the I/O, which takes half of the reactor's time."""
    transport = LoopTransport(protocol, UNIXAddress(None), bool)
    lost = partial(protocol.connectionLost, Failure(ConnectionLostReason()))
    ConnectionOpener(loop.connect_accepted_socket(lambda: transport, connection), lost)


class _LoopClock:
    """The clock of an event loop. uvloop's own ``time()`` is that of the start of the turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.seconds: Callable[[], float] = time.monotonic
        self.callLater: CallLater = loop.call_later
