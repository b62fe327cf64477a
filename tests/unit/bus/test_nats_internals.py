"""Private APIs of nats-py are as they are used."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.errors import Error
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.bus.nats_internals import CheckingClient, abort_connection, number_of, unsubscribe


class _Writer:
    """A stream writer, and its transport."""

    aborted = False

    @property
    def transport(self) -> _Writer:
        return self

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


class NatsInternalsTests(SynchronousTestCase):
    def test_number(self) -> None:
        """A subscription has a number."""
        self.assertEqual(number_of(Subscription(None, 7, "x")), 7)

    def test_unsubscribe(self) -> None:
        """A subscription is ended by its number, and stays known to the client."""
        client: Any = Client()
        sent: list[bytes] = []

        async def send(command: bytes, priority: bool = False) -> None:
            sent.append(command)

        async def flush(force_flush: bool = False) -> None:
            pass

        client._send_command, client._flush_pending = send, flush
        client._subs[7] = object()
        with self.assertRaises(StopIteration):
            unsubscribe(client, 7).send(None)
        self.assertEqual((sent, list(client._subs)), ([b"UNSUB 7 \r\n"], [7]))

    def test_abort(self) -> None:
        """The socket of a client is closed at once; a client that has none yet is let be."""
        client: Any = Client()
        abort_connection(client)
        client._transport = TcpTransport()
        writer = client._transport._io_writer = _Writer()
        abort_connection(client)
        self.assertTrue(writer.aborted)

    def test_check(self) -> None:
        """The first message of a server is looked at before anything is sent."""
        source = inspect.getsource(Client._process_connect_init)
        self.assertLess(
            source.index("self._process_info(srv_info, initial_connection=True)"), source.index("write(")
        )
        client = CheckingClient(lambda info: f"no {info['x']}")
        with self.assertRaises(Error) as caught:
            asyncio.run(client._process_info({"x": 1}, True))
        self.assertEqual(str(caught.exception), "no 1")
