"""WebSockets through a mount: messages are passed on between a client and a service, in both directions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from twisted.internet.defer import Deferred

from unixsvc.client.websocket import ItemStream, RemoteWebSocket
from unixsvc.domain.message import Reply
from unixsvc.domain.websocket import Close, MessageChannel

__all__ = ["relay"]

_ENDED: Final = Reply()


async def relay(channel: MessageChannel, stream: ItemStream) -> Reply:
    """Pass messages on until one side closes; the reply is that of the action.

    :param channel: of the client, which has not been accepted yet.
    :param stream: of the call to the service, after its first item.
    :raises unixsvc.errors.ServiceError: if the action of the service fails.
    """
    remote = RemoteWebSocket(stream, _waiter)
    try:
        accepted = await remote.accepted()
        channel.accept(accepted.subprotocol, accepted.headers)
        upstream = Deferred.fromCoroutine(_to_service(channel, remote))
        upstream.addErrback(lambda _: None)  # it is cancelled at the end
        try:
            await _to_client(remote, channel)
        finally:
            upstream.cancel()
    finally:
        await remote.aclose()
    return _ENDED


async def _to_client(remote: RemoteWebSocket, channel: MessageChannel) -> None:
    while True:
        received = await remote.receive()
        if isinstance(received, Close):
            channel.close(received.code, received.reason)
            await remote.wait_ended()
            return
        text = isinstance(received, str)
        data = received.encode() if isinstance(received, str) else received
        waiting = channel.send(data, text=text)
        if waiting is not None:
            await waiting


async def _to_service(channel: MessageChannel, remote: RemoteWebSocket) -> None:
    while True:
        received = channel.receive()
        message = received if isinstance(received, str | bytes | Close) else await received
        if isinstance(message, Close):
            remote.close(message)
            return
        await remote.send(message)


def _waiter() -> tuple[Awaitable[object], Callable[[], object]]:
    waiter: Deferred[Any] = Deferred()
    return waiter, lambda: None if waiter.called else waiter.callback(None)
