"""One connection of the asyncio client, on a loop of its own, with a transport in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.client.fake_transport import FakeTransport
from unixsvc.client.aio.pending import request
from unixsvc.client.aio.protocol import AsyncioClientProtocol
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.events import Received, data_of


class Transport(FakeTransport, asyncio.Transport):  # type: ignore[misc]  # it takes bytes only
    """A transport of an event loop that records writes."""

    def is_closing(self) -> bool:
        """True after it was closed."""
        return bool(self.closed)


class AsyncioClientProtocolTests(SynchronousTestCase):
    def run_on_loop(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test that awaits."""
        asyncio.run(asyncio.wait_for(test, 30))

    def connect(self) -> None:
        """Make a connection."""
        self.transport = Transport()
        self.protocol = AsyncioClientProtocol(Credentials("t"), asyncio.get_running_loop(), lambda _: None)
        self.protocol.connection_made(self.transport)

    def call(self, path: str) -> asyncio.Task[Received]:
        """Make a call."""
        coroutine = request(self.protocol.multiplexer, Call("GET", path), 30.0)
        return asyncio.get_running_loop().create_task(coroutine)

    async def call_twice(self, path: str) -> Received:
        """Make a call, and another one after its result."""
        await request(self.protocol.multiplexer, Call("GET", path), 30.0)
        return await request(self.protocol.multiplexer, Call("GET", path), 30.0)

    def reply(self, *numbers: int) -> None:
        """Replies to calls, all in one read."""
        lines = [b'{"id":%d,"code":200,"data":%d}\n' % (each, each) for each in numbers]
        self.protocol.data_received(b"".join(lines))

    def test_coalesced(self) -> None:
        """Calls that tasks make because of replies in one read are sent in one write; others at once."""

        async def test() -> None:
            self.connect()
            tasks = [asyncio.ensure_future(self.call_twice(f"/{each}")) for each in range(3)]
            await asyncio.sleep(0)
            self.assertEqual(self.transport.take_messages(), [["/0"], ["/1"], ["/2"]])
            self.reply(3, 1, 2)
            await asyncio.sleep(0)
            self.assertEqual(sorted(self.transport.take_messages()[0]), ["/0", "/1", "/2"])
            self.call("/after")
            await asyncio.sleep(0)
            self.assertEqual(self.transport.take_messages(), [["/after"]])
            self.reply(4, 5, 6, 7)
            self.assertEqual(
                sorted(bytes(data_of(each)) for each in await asyncio.gather(*tasks)), [b"4", b"5", b"6"]
            )

        self.run_on_loop(test())

    def test_cancelled(self) -> None:
        """Cancelling a task cancels its call, once."""

        async def test() -> None:
            self.connect()
            tasks = [self.call("/0"), self.call("/1")]
            await asyncio.sleep(0)
            self.transport.take_messages()
            tasks[0].cancel()
            await asyncio.wait(tasks[:1])
            self.assertEqual(self.transport.take_messages(), [["cancel 1"]])
            self.reply(2)
            self.assertEqual(bytes(data_of(await tasks[1])), b"2")

        self.run_on_loop(test())

    def test_closing_transport(self) -> None:
        """Nothing is written to a transport that is being closed, of which uvloop would complain."""

        async def test() -> None:
            self.connect()
            task = self.call("/0")
            await asyncio.sleep(0)
            self.transport.take_messages()
            self.transport.close()
            task.cancel()
            await asyncio.wait([task])
            self.assertEqual(self.transport.take_messages(), [])

        self.run_on_loop(test())
