"""Actions that return streams."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import msgspec
import svcs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving, dispatched
from unixsvc.domain.message import Caller, Request
from unixsvc.errors import Invalid
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.route import GET


def decorated(action: Callable[..., Any]) -> Callable[..., Any]:
    """Hide what an action is."""

    @functools.wraps(action)
    def call(**arguments: Any) -> Any:
        return action(**arguments)

    return call


def decorated_later(action: Callable[..., Any]) -> Callable[..., Any]:
    """Hide it behind something that is awaited."""

    async def later(arguments: dict[str, Any]) -> Any:
        return action(**arguments)

    @functools.wraps(action)
    def call(**arguments: Any) -> Any:
        return later(arguments)

    return call


class Items:
    """Items that no generator gives, and that need not be closed."""

    def __init__(self, to: int) -> None:
        self.left = list(range(to))

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


class Log:
    """What a container opens for a stream."""


class StreamTests(SynchronousTestCase):
    """Streams."""

    def setUp(self) -> None:
        """Nothing has happened."""
        self.log: list[object] = []

    async def count(self, to: int) -> AsyncIterator[int]:
        """Count."""
        try:
            for each in range(to):
                yield each
        finally:
            self.log.append("cleaned")

    async def with_container(self, container: svcs.Container, to: int) -> AsyncIterator[int]:
        """Count with an open container."""
        container.get(Log)
        async for each in self.count(to):
            yield each

    def items(self, action: Callable[..., Any], **data: Any) -> AsyncGenerator[bytes, None]:
        """The items of a reply."""

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            def opened() -> Any:
                self.log.append("open")
                try:
                    yield Log()
                finally:
                    self.log.append("closed")

            registry.register_factory(Log, opened)

        router = Serving(GET("/x", action), container=register).router
        raw = msgspec.Raw(msgspec.json.encode(data))
        request = Request("GET", "/x", raw, caller=Caller(trusted=True))
        reply = self.successResultOf(dispatched(router.dispatch, request))
        self.assertEqual(reply.code, 200)
        assert reply.items is not None
        return reply.items

    def all_of(self, action: Callable[..., Any], **data: Any) -> list[bytes]:
        """All items."""

        async def collect() -> list[bytes]:
            return [each async for each in self.items(action, **data)]

        return self.successResultOf(Deferred.fromCoroutine(collect()))

    def next_of(self, items: AsyncGenerator[bytes, None]) -> bytes:
        """The next item."""

        async def step() -> bytes:
            return await items.__anext__()

        return self.successResultOf(Deferred.fromCoroutine(step()))

    def close(self, items: AsyncGenerator[bytes, None]) -> None:
        """Close the items."""

        async def step() -> None:
            await items.aclose()

        self.successResultOf(Deferred.fromCoroutine(step()))

    def test_items(self) -> None:
        """Each item is JSON; arguments are validated before the first."""
        self.assertEqual(self.all_of(self.count, to=3), [b"0", b"1", b"2"])
        with self.assertRaises(Exception) as caught:
            self.all_of(self.count, to="x")
        self.assertIn(Invalid.__name__, str(caught.exception))

    def test_decorated(self) -> None:
        """The annotation makes a stream, also for decorated actions."""
        for decorate in (decorated, decorated_later):
            self.assertEqual(self.all_of(decorate(self.count), to=2), [b"0", b"1"])

    def test_no_generator(self) -> None:
        """Any asynchronous iterable can be a stream."""

        def items(to: int) -> AsyncIterator[int]:
            return Items(to)

        self.assertEqual(self.all_of(items, to=2), [b"0", b"1"])

    def test_one_line(self) -> None:
        """Line ends in an item's own JSON are replaced."""

        async def raw() -> AsyncIterator[msgspec.Raw]:
            yield msgspec.Raw(b"[1,\n2]")

        self.assertEqual(self.all_of(raw), [b"[1, 2]"])

    def test_closed(self) -> None:
        """Closing the items closes the action's generator."""
        items = self.items(self.count, to=3)
        self.assertEqual((self.next_of(items), self.log), (b"0", []))
        self.close(items)
        self.assertEqual(self.log, ["cleaned"])

    def test_container(self) -> None:
        """The container is open from before the first to after the last item."""
        items = self.items(self.with_container, to=3)
        self.assertEqual(self.log, [])
        self.next_of(items)
        self.assertEqual(self.log, ["open"])
        self.assertEqual([self.next_of(items), self.next_of(items)], [b"1", b"2"])
        self.assertEqual(self.log, ["open"])

        self.close(items)
        self.assertEqual(self.log[-1], "closed")

    def test_container_at_the_end(self) -> None:
        """The container is closed at the end of the stream."""
        self.assertEqual(self.all_of(self.with_container, to=1), [b"0"])
        self.assertEqual(self.log, ["open", "cleaned", "closed"])
