"""Private APIs of nats-py that are used here, each with its reason.

A test in ``tests/unit/bus/test_nats_internals.py`` fails when one of them changes. Checked with nats-py 2.16.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.errors import Error

__all__ = ["CheckingClient", "abort_connection", "number_of", "unsubscribe"]


class CheckingClient(Client):
    """Looks at the first message of a server before anything is sent to it.

    ``Client._process_info`` gets it; there is no public method to look at it in time.

    :param check: returns what is wrong with a server; empty if it may be used.
    """

    def __init__(self, check: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._check = check

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection:
            problem = self._check(info)
            if problem:
                abort_connection(self)
                raise Error(problem)
        await super()._process_info(info, initial_connection)


def number_of(subscription: Subscription) -> int:
    """``Subscription._id``: the number of a subscription, with which it is ended."""
    number: int = subscription._id
    return number


def unsubscribe(client: Client, number: int) -> Coroutine[Any, Any, None]:
    """``Client._send_unsubscribe``: end a subscription, and deliver what arrives until the server knows.

    The public ``Subscription.unsubscribe`` forgets the subscription at once, and drops these messages.
    """
    step: Coroutine[Any, Any, None] = client._send_unsubscribe(number)
    return step


def abort_connection(client: Client) -> None:
    """``Client._transport._io_writer.transport.abort()``: close the socket, whatever it has to write.

    The public ``close`` waits until everything is written: with an unreachable server that is for ever.
    """
    transport: Any = client._transport  # of TCP, or a WebSocket
    writer = getattr(transport, "_io_writer", None)
    if writer is not None:
        writer.transport.abort()
    elif transport is not None:
        transport.close()
