"""Connections to NATS servers by nats-py, the client library of the NATS project.

It is used for less than it offers, as parts of it lose messages: no ``flush`` and no ``drain``, whose PING
may overtake buffered commands; no reconnection, as calls have to fail at once and circuits are bound to one
connection; no ``request``, as circuits have pipes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from random import sample
from typing import Any, Final
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.bus.connection import BusConnection, BusMessage, ConnectionEvents, NotConnected, Received
from unixsvc.bus.nats_internals import CheckingClient, abort_connection, number_of, unsubscribe
from unixsvc.domain.coroutine import run_without_waiting

__all__ = ["Connector", "NatsConnection"]

_log = Logger(namespace="nats")

_CONNECT_TIMEOUT: Final = 1  # seconds
_PING_INTERVAL: Final = 20  # seconds; for a server that drops silent clients, as the node has its own watch
_STATUS: Final = "Status"
# Twisted and the event loop below it share a thread: a message is handled before the next one is read.
_NO_LIMIT: Final = 0


class NatsConnection:
    """One connection. See :class:`~unixsvc.bus.connection.BusConnection`.

    :param events: what is reported to.
    """

    def __init__(self, client: Client, events: ConnectionEvents, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._events = events
        self._loop = loop
        self._subscriptions: dict[int, Subscription] = {}
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.max_payload: int = client.max_payload
        url = client.connected_url
        self.server = "" if url is None else f"{url.hostname}:{url.port}"

    def publish(
        self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send a message."""
        self._do(self._client.publish(subject, data, reply, headers))

    def subscribe(self, subject: str, received: Received, queue: str = "") -> int:
        """Subscribe."""

        async def deliver(message: Msg) -> None:
            received(_message(message))

        step = self._client.subscribe(
            subject, queue, deliver, pending_msgs_limit=_NO_LIMIT, pending_bytes_limit=_NO_LIMIT
        )
        made: Subscription = self._do(step)
        number = number_of(made)
        self._subscriptions[number] = made
        return number

    def unsubscribe(self, number: int) -> None:
        """End a subscription."""
        subscription = self._subscriptions.pop(number, None)
        if subscription is not None and not self._ended:
            self._do(unsubscribe(self._client, number))

    def close(self) -> None:
        """Send what is written, and disconnect."""
        if not self._ended:
            self._ended = True
            task = self._loop.create_task(self._client.close())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def abort(self) -> None:
        """Disconnect now."""
        if not self._ended:
            self._ended = True
            abort_connection(self._client)
            self._events.connection_lost("aborted")

    def lost(self, problem: str) -> None:
        """The client has disconnected."""
        if not self._ended:
            self._ended = True
            self._events.connection_lost(problem)

    def _do(self, step: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine of the client that only waits if its buffers are full, which have no limit."""
        if self._ended:
            step.close()
            raise NotConnected("disconnected")
        try:
            return run_without_waiting(step)
        except (NatsError, OSError) as error:
            raise NotConnected(str(error) or type(error).__name__) from None


class Connector:
    """Connects to the first server that can be reached.

    :param options: of ``nats.aio.client.Client.connect``: the servers, and how to log in.
    :param check: called with the URL and the first message of a server; returns what is wrong with it.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        check: Callable[[str, dict[str, Any]], str],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._options = options
        self._check = check
        self._loop = loop
        self._last = ""  # the server of the last connection

    def __call__(self, events: ConnectionEvents) -> Deferred[BusConnection]:
        """Connect; fails with NotConnected."""
        return Deferred.fromFuture(self._loop.create_task(self._connect(events)))

    async def _connect(self, events: ConnectionEvents) -> BusConnection:
        servers: Sequence[str] = self._options["servers"]
        problems: list[str] = []
        # That of the last connection comes last: if it is stopped, it takes a second to find that out.
        for server in sorted(sample(servers, len(servers)), key=self._last.__eq__):
            client = CheckingClient(partial(self._check, server))
            reports = _Reports(events)
            try:
                await client.connect(
                    **{**self._options, "servers": [server]},
                    error_cb=reports.failed,
                    closed_cb=reports.closed,
                    lame_duck_mode_cb=reports.leaves,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=_CONNECT_TIMEOUT,
                    ping_interval=_PING_INTERVAL,
                    pending_size=0,
                    skip_subject_validation=True,
                )
            except (TimeoutError, NatsError, OSError) as error:
                problems.append(reports.problem or str(error) or type(error).__name__)
                abort_connection(client)
                continue
            self._last = server
            reports.connection = NatsConnection(client, events, self._loop)
            return reports.connection
        raise NotConnected(_describe(servers, problems))


class _Reports:
    """What one client reports.

    :ivar connection: its connection, when there is one.
    :ivar problem: what was wrong last.
    """

    def __init__(self, events: ConnectionEvents) -> None:
        self._events = events
        self.problem = ""
        self.connection: NatsConnection | None = None

    async def failed(self, error: Exception) -> None:
        """Something is wrong."""
        if not isinstance(error, NatsError | OSError):
            # Of what handles a message; nothing else would report it.
            _log.failure("a message could not be handled", Failure(error))
            return
        self.problem = str(error) or type(error).__name__
        if self.connection is not None and "permissions violation" in self.problem.lower():
            self._events.refused(self.problem)

    async def closed(self) -> None:
        """The connection has ended."""
        if self.connection is not None:
            self.connection.lost(self.problem or "disconnected")

    async def leaves(self) -> None:
        """The server is in lame duck mode."""
        self._events.server_leaves()


def _describe(servers: Sequence[str], problems: Sequence[str]) -> str:
    names = ", ".join(_without_secrets(each) for each in servers)
    return f"no server can be reached of {names}: {'; '.join(dict.fromkeys(problems))}"


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 4222}"


def _message(message: Msg) -> BusMessage:
    headers: dict[str, str] | None = message.headers
    status = 0
    if headers and not message.data and headers.get(_STATUS, "").isdigit():
        status = int(headers[_STATUS])
    return BusMessage(message.subject, message.data, message.reply, status, headers)
