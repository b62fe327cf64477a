"""One connection of the asyncio client, on a loop of its own; what it says is kept in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.aio.protocol import AsyncioClientProtocol
from unixsvc.client.connection import Call
from unixsvc.client.location import Credentials
from unixsvc.errors import DeadlineExceeded


class Transport:
    """Keeps each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.writes.append(data)

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self.closed

    def close(self) -> None:
        """Close it."""
        self.closed = True

    def asked(self) -> list[list[str]]:
        """What each write since the last look has said: the paths, or the ids of what was taken back."""
        writes, self.writes = self.writes, []
        lines = [[json.loads(line) for line in each.splitlines()] for each in writes]
        return [[each.get("path") or f"not {each['id']}" for each in line] for line in lines]


class AioLinkTests(SynchronousTestCase):
    """One connection."""

    def run_on_loop(self, test: Coroutine[Any, Any, None]) -> None:
        """Run a test that waits."""
        asyncio.run(asyncio.wait_for(test, 30))

    def connect(self) -> None:
        """Have a connection."""
        self.transport = Transport()
        self.link = AsyncioClientProtocol(Credentials("t"), asyncio.get_running_loop(), lambda link: None)
        self.link.connection_made(self.transport)
        self.loop_time = asyncio.get_running_loop().time

    def ask(self, path: str, seconds: float = 30.0) -> asyncio.Task[Raw]:
        """Ask."""
        return asyncio.get_running_loop().create_task(self.link.ask(Call("GET", path), seconds))

    async def ask_twice(self, path: str) -> Raw:
        """Ask again as soon as there is an answer."""
        await self.link.ask(Call("GET", path), 30.0)
        return await self.link.ask(Call("GET", path), 30.0)

    def answer(self, *numbers: int) -> None:
        """Have answers come, all at once."""
        lines = [b'{"id":%d,"code":200,"data":%d}\n' % (each, each) for each in numbers]
        self.link.data_received(b"".join(lines))

    def test_one_write(self) -> None:
        """What is asked because of answers that came together goes out together; other calls do not."""

        async def test() -> None:
            self.connect()
            tasks = [asyncio.ensure_future(self.ask_twice(f"/{each}")) for each in range(3)]
            await asyncio.sleep(0)
            self.assertEqual(self.transport.asked(), [["/0"], ["/1"], ["/2"]])
            self.answer(3, 1, 2)
            await asyncio.sleep(0)
            self.assertEqual(sorted(self.transport.asked()[0]), ["/0", "/1", "/2"])
            self.ask("/after")
            await asyncio.sleep(0)
            self.assertEqual(self.transport.asked(), [["/after"]])
            self.answer(4, 5, 6, 7)
            self.assertEqual(sorted(map(bytes, await asyncio.gather(*tasks))), [b"4", b"5", b"6"])

        self.run_on_loop(test())

    def test_closed_meanwhile(self) -> None:
        """What was said before the connection is closed is sent before that."""

        async def test() -> None:
            self.connect()
            tasks = [self.ask(f"/{each}") for each in range(3)]
            await asyncio.sleep(0)
            self.transport.asked()
            self.answer(1, 2)
            self.link.give_up(3)
            self.assertEqual(self.transport.asked(), [])
            self.link.close()
            self.assertEqual((self.transport.asked(), self.transport.closed), ([["not 3"]], True))
            tasks[2].cancel()
            await asyncio.wait(tasks)

        self.run_on_loop(test())

    def test_taken_back(self) -> None:
        """To cancel a task takes its call back, once; where nobody waits, no time is counted."""

        async def test() -> None:
            self.connect()
            tasks = [self.ask("/0"), self.ask("/1")]
            await asyncio.sleep(0)
            self.transport.asked()
            tasks[0].cancel()
            await asyncio.wait(tasks[:1])
            self.assertEqual(self.transport.asked(), [["not 1"]])
            self.assertIsNotNone(self.link._alarm._timer)
            self.answer(2)
            self.assertIsNone(self.link._alarm._timer)
            self.assertEqual(bytes(await tasks[1]), b"2")

        self.run_on_loop(test())

    def test_deadlines(self) -> None:
        """Those whose time is over fail, whichever was asked first, and are taken back."""

        async def test() -> None:
            self.connect()
            tasks = [self.ask(f"/{each}", each) for each in (40.0, 10.0, 30.0, 20.0)]
            await asyncio.sleep(0)
            self.transport.asked()
            now = self.loop_time()
            following = self.link._end_late(now + 25.0)
            self.assertTrue(now + 25.0 < following < now + 35.0)
            self.assertEqual(self.transport.asked(), [["not 2"], ["not 4"]])
            await asyncio.sleep(0)
            self.assertEqual([each.done() for each in tasks], [False, True, False, True])
            self.assertIsInstance(tasks[1].exception(), DeadlineExceeded)
            self.assertIsInstance(tasks[3].exception(), DeadlineExceeded)
            self.answer(1, 3)
            await asyncio.wait(tasks)

        self.run_on_loop(test())
