"""Many calls on one connection: deadlines, coalesced writes, cancellation, and the end of the connection."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.client.fake_transport import FakeTransport, RecordingCall
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.errors import ConnectionLost
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.errors import BadGateway, DeadlineExceeded, NotFound


def responses(*numbers: int) -> bytes:
    """Replies to these calls."""
    return b"".join(b'{"id":%d,"code":200,"data":%d}\n' % (each, each) for each in numbers)


class MultiplexerTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make one that is connected."""
        self.clock, self.transport = Clock(), FakeTransport()
        self.disconnected: list[Multiplexer] = []
        self.multiplexer = self.unconnected()
        self.multiplexer.connected(self.transport.write)

    def unconnected(self) -> Multiplexer:
        """One that is not connected."""
        return Multiplexer(
            Credentials("t"),
            self.clock.seconds,
            self.clock.callLater,
            self.transport,
            self.disconnected.append,
        )

    def start(self, path: str = "/", deadline: float = 30.0) -> RecordingCall:
        """Start a call."""
        pending = RecordingCall(deadline)
        self.multiplexer.start(Call("GET", path), deadline, pending)
        return pending

    def test_before_connected(self) -> None:
        """Calls that are made before the connection is established are sent in one write."""
        self.multiplexer = self.unconnected()
        self.start("/0")
        self.start("/1")
        self.assertEqual(self.transport.writes, [])
        self.multiplexer.connected(self.transport.write)
        self.assertEqual(self.transport.take_messages(), [["/0", "/1"]])

    def test_results(self) -> None:
        """Each call gets its own result or error."""
        calls = [self.start() for _ in range(3)]
        error = b'{"id":2,"status":"error","code":404,"message":"Not found","detail":"no"}\n'
        self.multiplexer.data_received(responses(3) + error + responses(1))
        self.assertEqual((calls[0].result, calls[2].result), (b"1", b"3"))
        self.assertIsInstance(calls[1].result, NotFound)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_coalesced(self) -> None:
        """After several replies in one read, calls are held back until the callers have run."""
        for _ in range(2):
            self.start()
        self.transport.take_messages()
        self.multiplexer.data_received(responses(1, 2))
        self.start("/2")
        self.start("/3")
        self.assertEqual(self.transport.writes, [])
        [flush] = self.transport.callbacks
        flush()
        self.start("/4")
        self.assertEqual(self.transport.take_messages(), [["/2", "/3"], ["/4"]])

    def test_large_batch(self) -> None:
        """A large batch is not held back."""
        for _ in range(2):
            self.start()
        self.transport.take_messages()
        self.multiplexer.data_received(responses(1, 2))
        self.start("/" + "x" * 20_000)
        self.assertEqual(len(self.transport.writes), 1)

    def test_deadlines(self) -> None:
        """A call fails at its deadline, whichever was made first, and is cancelled; one timer serves all."""
        calls = [self.start(deadline=each) for each in (4.0, 1.0, 3.0, 2.0)]
        self.transport.take_messages()
        expired = []
        for _ in range(4):
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.clock.advance(1.0)
            expired.append([number for number, each in enumerate(calls) if each.result is not None])
        self.assertEqual(expired, [[1], [1, 3], [1, 2, 3], [0, 1, 2, 3]])
        self.assertTrue(all(isinstance(each.result, DeadlineExceeded) for each in calls))
        self.assertEqual(self.transport.take_messages(), [[f"cancel {each}"] for each in (2, 4, 3, 1)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """Cancelling sends a cancel once, stops the timer, and ignores a reply that crosses it."""
        pending = self.start("/0")
        self.multiplexer.cancel(1)
        self.multiplexer.cancel(1)
        self.assertEqual(self.transport.take_messages(), [["/0"], ["cancel 1"]])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.multiplexer.data_received(responses(1))
        self.assertEqual((pending.result, self.transport.closed), (None, ""))

    def test_goaway(self) -> None:
        """After goaway, the connection is closed with the last reply."""
        self.start()
        self.multiplexer.data_received(b'{"goaway":true}\n')
        self.assertEqual(self.transport.closed, "")
        self.multiplexer.data_received(responses(1))
        self.assertEqual(self.transport.closed, "close")

    def test_invalid_reply(self) -> None:
        """An invalid reply aborts the connection; pending calls fail with its error."""
        pending = self.start()
        self.multiplexer.data_received(b"nonsense\n")
        self.assertEqual((self.transport.closed, self.multiplexer.connection.leaving), ("abort", True))
        self.multiplexer.connection_lost()
        self.assertIsInstance(pending.result, BadGateway)

    def test_connection_lost(self) -> None:
        """Pending calls fail when the connection is lost; the pool is notified before."""
        pending = self.start()
        self.multiplexer.connection_lost()
        self.assertIsInstance(pending.result, ConnectionLost)
        self.assertEqual((self.disconnected, self.clock.getDelayedCalls()), ([self.multiplexer], []))

    def test_close(self) -> None:
        """Closing sends what was held back before."""
        for _ in range(2):
            self.start()
        self.transport.take_messages()
        self.multiplexer.data_received(responses(1, 2))
        self.start("/2")
        self.multiplexer.close()
        self.assertEqual((self.transport.take_messages(), self.transport.closed), ([["/2"]], "close"))

    def test_stream(self) -> None:
        """The items of a stream arrive in its buffer, and taking them grants credit."""
        pending = RecordingCall(buffer=StreamBuffer())
        self.multiplexer.start_stream(Call("GET", "/"), None, pending)
        self.multiplexer.data_received(b'{"id":1,"more":true,"data":5}\n' * 32)
        assert pending.buffer is not None
        self.transport.writes.clear()
        for _ in range(32):
            pending.buffer.take()
        [flush] = self.transport.callbacks
        flush()
        self.assertEqual(self.transport.writes, [b'{"id":1,"credit":32}\n'])

    def test_unexpected_stream(self) -> None:
        """A stream in reply to a unary call is cancelled, and the call fails."""
        pending = self.start("/0")
        self.multiplexer.data_received(b'{"id":1,"more":true,"data":5}\n')
        self.assertIsInstance(pending.result, BadGateway)
        self.assertEqual(self.transport.take_messages(), [["/0"], ["cancel 1"]])

    def test_either(self) -> None:
        """A call whose reply may be a stream becomes one with the first item."""
        pending = RecordingCall(may_stream=True)
        self.multiplexer.start_stream(Call("GET", "/"), None, pending, either=True)
        self.multiplexer.data_received(b'{"id":1,"more":true,"data":5}\n')
        assert pending.buffer is not None
        self.assertEqual(bytes(pending.buffer.take()), b"5")

    def test_either_deadline(self) -> None:
        """A call that becomes a stream may have an earlier deadline from then on."""
        pending = RecordingCall(may_stream=True, stream_deadline=5.0)
        self.multiplexer.start_stream(Call("GET", "/"), None, pending, either=True)
        self.multiplexer.data_received(b'{"id":1,"more":true,"data":5}\n')
        self.clock.advance(5.0)
        self.assertIsInstance(pending.result, DeadlineExceeded)
