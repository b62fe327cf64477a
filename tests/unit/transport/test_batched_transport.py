"""Tests of transports that write at the end of a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, cast

from twisted.internet.address import UNIXAddress
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.transport.batched_transport import BatchedTransport
from unixsvc.transport.write_batch import WriteBatch

_request: ContextVar[str] = ContextVar("request")


class _Loop:
    """Calls at the end of a turn, and when its time is over."""

    def __init__(self) -> None:
        self.soon = list[tuple[Context, Callable[[], object]]]()
        self.later = list[tuple[float, Callable[[], object]]]()

    def call_soon(self, call: Callable[[], object], *, context: Context) -> None:
        """Note a call."""
        self.soon.append((context, call))

    def call_later(self, seconds: float, call: Callable[[], object], *, context: Context) -> None:
        """Note a timer."""
        self.later.append((seconds, call))

    def end_turn(self) -> None:
        """Make the calls."""
        calls, self.soon = self.soon, []
        for context, call in calls:
            context.run(call)

    def expire(self) -> float:
        """Call the only timer; its seconds."""
        ((seconds, call),) = self.later
        self.later.clear()
        call()
        return seconds


class _LoopTransport(asyncio.Transport):
    """A transport of a loop; it records what is done with it.

    :ivar calls: each call, or the bytes of a write.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes | str] = []

    def write(self, data: Any) -> None:
        """Record it."""
        self.calls.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        """Record it."""
        self.calls.append(b"|".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        """Return what is not written yet."""
        return 5

    def is_closing(self) -> bool:
        """Return False: it is open."""
        return False

    def close(self) -> None:
        """Record it."""
        self.calls.append("close")

    def abort(self) -> None:
        """Record it."""
        self.calls.append("abort")

    def write_eof(self) -> None:
        """Record it."""
        self.calls.append("eof")

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Ignore it: nothing is received."""


class BatchTests(SynchronousTestCase):
    """When is written, and in which order."""

    def setUp(self) -> None:
        """A batch with many transports."""
        self.loop = _Loop()
        anything: Any = self.loop
        self.batch = WriteBatch(anything)
        self.below = [_LoopTransport() for _ in range(70)]
        self.transports = [self.connect(each) for each in self.below]

    def connect(self, below: asyncio.Transport) -> BatchedTransport:
        """A transport of a connection."""
        made = BatchedTransport(Protocol(), UNIXAddress(None), bool, None, self.batch)
        made.connection_made(below)
        return made

    def written(self, count: int) -> list[list[bytes | str]]:
        """What was done with the first transports of the loop."""
        return [each.calls for each in self.below[:count]]

    def test_end_of_turn(self) -> None:
        """Several writes of a connection are one, at the end of the turn; so are those of the next turn."""
        for turn in range(3):
            for each in self.transports[:4]:
                each.write(b"a")
                each.write(b"b")
            self.assertEqual(self.written(4), [[b"ab"] * turn] * 4)
            self.assertEqual(self.transports[0].write_buffer_size(), 7)
            self.loop.end_turn()
            self.assertEqual(self.transports[0].write_buffer_size(), 5)
        self.assertEqual(self.written(4), [[b"ab"] * 3] * 4)

    def test_context(self) -> None:
        """They are not made in the context of a request."""
        found: list[str] = []
        self.transports[0].send = lambda data: found.append(_request.get("none"))
        context = Context()
        context.run(_request.set, "one")
        context.run(self.transports[0].write, b"a")
        self.loop.end_turn()
        self.assertEqual(found, ["none"])

    def test_most(self) -> None:
        """Not more than 32 connections wait."""
        for each in self.transports[:34]:
            each.write(b"a")
        self.assertEqual(self.written(34), [[b"a"]] * 32 + [[]] * 2)
        self.loop.end_turn()
        self.assertEqual(self.written(34), [[b"a"]] * 34)

    def test_few(self) -> None:
        """After four turns with fewer than four connections, all write at once for a tenth of a second."""
        for turn in range(4):
            for each in self.transports[:3]:
                each.write(b"a")
                self.assertFalse(self.batch.direct)
            self.assertEqual(len(self.below[0].calls), turn)
            self.loop.end_turn()
        for each in self.transports[2:4] * 2:
            each.write(b"b")
        self.assertEqual(self.written(4)[2:], [[b"a"] * 4 + [b"b"] * 2, [b"b"] * 2])
        self.assertEqual((self.loop.soon, self.loop.expire()), ([], 0.1))
        for each in self.transports[2:4]:
            each.write(b"c")
        self.assertEqual(self.written(4)[2:], [[b"a"] * 4 + [b"b"] * 2, [b"b"] * 2])
        self.loop.end_turn()
        self.assertEqual([calls[-1] for calls in self.written(4)[2:]], [b"c", b"c"])

    def test_few_at_times(self) -> None:
        """A turn with more connections in between, or with more than wait, is not one of the four."""
        for many in (4, 33):
            for turn in range(20):
                for each in self.transports[: many if turn % 4 == 0 else 1]:
                    each.write(b"a")
                self.loop.end_turn()
        self.assertFalse(self.batch.direct)

    def test_waiting_when_direct(self) -> None:
        """What waits when transports begin to write at once keeps its order."""
        for _ in range(4):
            self.transports[0].write(b"a")
            self.loop.end_turn()
        self.assertTrue(self.batch.direct)
        self.loop.expire()
        self.transports[1].write(b"a")
        self.batch.direct = True
        self.transports[1].write(b"b")
        self.loop.end_turn()
        self.transports[1].write(b"c")
        self.assertEqual(self.written(2)[1], [b"ab", b"c"])

    def test_large(self) -> None:
        """Not more than 16 KiB of a connection wait for the end of the turn."""
        most = b"x" * 16_384
        self.transports[0].write(most)
        self.transports[1].write(most + b"y")
        self.assertEqual(self.written(2), [[], [most + b"y"]])
        self.transports[0].write(b"a")
        self.assertEqual(self.written(1), [[most, b"a"]])
        self.transports[0].write(b"b")
        self.loop.end_turn()
        self.assertEqual(self.written(1), [[most, b"a", b"b"]])

    def test_other_calls(self) -> None:
        """What waits is written before anything else is done."""
        for call, expected in (
            ("loseConnection", "close"),
            ("abortConnection", "abort"),
            ("loseWriteConnection", "eof"),
            ("writeSequence", b"b|c"),
        ):
            below = _LoopTransport()
            transport = self.connect(below)
            transport.write(b"a")
            getattr(transport, call)(*([[b"b", b"c"]] if call == "writeSequence" else []))
            self.loop.end_turn()
            self.assertEqual(below.calls, [b"a", expected], call)

    def test_socket_writer(self) -> None:
        """What waits is written before others write to the socket."""
        self.transports[0].write(b"a")
        self.assertIsNone(self.transports[0].socket_writer())
        self.assertEqual(self.written(1), [[b"a"]])

    def test_lost(self) -> None:
        """What waits for a connection that is lost is dropped; the others get theirs."""
        for each in self.transports[:3]:
            each.write(b"a")
        self.transports[1].connection_lost(None)
        self.loop.end_turn()
        self.assertEqual(self.written(3), [[b"a"], [], [b"a"]])

    def test_end_of_peer(self) -> None:
        """What waits is written before the loop closes the connection because the peer sends no more."""
        self.transports[0].write(b"a")
        self.assertFalse(self.transports[0].eof_received())
        self.assertEqual(self.written(1), [[b"a"]])

    def test_end_before_start(self) -> None:
        """The reply to what was received before there was a transport is written, too."""

        def start() -> None:
            made.write(b"a")

        made = BatchedTransport(Protocol(), UNIXAddress(None), bool, start, self.batch)
        made.connection_made(self.below[0])
        self.assertFalse(made.eof_received())
        self.assertEqual(self.written(1), [[b"a"]])

    def test_fails(self) -> None:
        """A connection that cannot be written to is logged, and the others get theirs."""

        def fail(data: bytes) -> None:
            raise RuntimeError("closed")

        for each in self.transports[:3]:
            each.write(b"a")
        self.transports[1].send = fail
        self.loop.end_turn()
        self.assertEqual(self.written(3), [[b"a"], [], [b"a"]])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_protocol_writes(self) -> None:
        """A protocol that writes when it is connected, and when the peer has ended, is not overtaken."""

        class Greeter(Protocol):
            def connectionMade(self) -> None:
                cast(Any, self.transport).write(b"hello")

            def dataReceived(self, data: bytes) -> None:
                cast(Any, self.transport).write(data)

        below = _LoopTransport()
        made = BatchedTransport(Greeter(), UNIXAddress(None), bool, None, self.batch)
        made.connection_made(below)
        made.data_received(b" you")
        made.loseConnection()
        self.assertEqual(below.calls, [b"hello you", "close"])
