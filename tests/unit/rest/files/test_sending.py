from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.files.file_requests import CONTENT, FileTestCase
from unixsvc.errors import Unavailable
from unixsvc.files.opened import FileDescriptor
from unixsvc.rest.files.disk import Disk
from unixsvc.rest.files.response import FileResponse
from unixsvc.rest.files.sending import FileSender
from unixsvc.rest.response import EMPTY, Response

LARGE = CONTENT * 1024
MIB = 1_048_576


def open_files() -> list[str]:
    """The regular files that this process has open."""
    found = []
    for each in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{each}"))
        except OSError:
            continue
    return [path for path in found if path.endswith("large.bin")]


class TransportTests(FileTestCase):
    """A file that is sent by means of the transport."""

    def setUp(self) -> None:
        """Record the log."""
        super().setUp()
        self.logged: list[str] = []
        record = cast(ILogObserver, self._record)
        globalLogPublisher.addObserver(record)
        self.addCleanup(globalLogPublisher.removeObserver, record)

    def _record(self, event: Any) -> None:
        if "could not be sent" in (event.get("log_format") or ""):
            self.logged.append(f"{event['error']}")

    @property
    def transport(self) -> Any:
        """The server's transport."""
        return self.client.transport

    def test_whole(self) -> None:
        """A large file arrives as it is, the connection serves the next request, and the file is closed."""
        self.assertEqual(self.get("/large").body, LARGE)
        self.assertEqual(open_files(), [])
        self.assertEqual(self.get("/small").body, CONTENT)
        self.assertEqual(self.get("/large", "Range: bytes=100000-").body, LARGE[100_000:])

    def test_turns(self) -> None:
        """After a megabyte other clients have their turn."""
        self.write("large.bin", LARGE * 3)
        first = self.client.request("GET", "/large")
        self.assertLess(len(first), MIB + 70_000)
        self.assertEqual(self.client.received(), b"")
        self.harness.clock.advance(0)
        self.assertGreater(len(self.client.received()), MIB // 2)

    def test_slow_client(self) -> None:
        """What a client does not take is not read: neither memory nor a thread waits for it."""
        self.transport.slow = True
        received = self.client.request("GET", "/large")
        for _ in range(40):
            self.harness.clock.advance(0)
            self.assertEqual(self.client.received(), b"")
            self.transport.producer.resumeProducing()
            piece = self.client.received()
            self.assertLessEqual(len(piece), 65_536)
            received += piece
        self.assertEqual(received.partition(b"\r\n\r\n")[2], LARGE)
        self.assertEqual(self.loading, [])

    def test_disconnect(self) -> None:
        """A client that disconnects leaves no open file, and nothing is sent any more."""
        self.transport.slow = True
        self.client.request("GET", "/large")
        self.assertEqual(len(open_files()), 1)
        self.client.channel.connectionLost(None)
        self.assertEqual(open_files(), [])
        self.harness.clock.advance(0)
        self.assertEqual(self.client.received(), b"")

    def test_disconnect_between_turns(self) -> None:
        """Also while others have their turn."""
        self.write("large.bin", LARGE * 3)
        self.client.request("GET", "/large")
        self.client.channel.connectionLost(None)
        self.harness.clock.advance(0)
        self.assertEqual((self.client.received(), open_files()), (b"", []))

    def test_truncated(self) -> None:
        """A file that becomes shorter while it is sent ends with the connection, and is logged."""
        self.transport.slow = True
        self.client.request("GET", "/large")
        os.truncate(self.folder / "large.bin", 70_000)
        while self.transport.producer is not None:
            self.transport.producer.resumeProducing()
        self.assertTrue(self.transport.closed)
        self.assertLess(len(self.client.received()), 70_001)
        self.assertEqual((self.logged, open_files()), (["it has become shorter"], []))

    def test_load(self) -> None:
        """A thread loads what the page cache lacks, a megabyte at a time; the event loop does not wait."""
        self.write("large.bin", LARGE * 3)
        self.cached = False
        received = self.client.request("GET", "/large")
        self.assertNotIn(CONTENT, received)
        loads = 0
        while self.loading:
            function, waiting = self.loading.pop()
            function()
            waiting.callback(None)
            loads += 1
            self.harness.clock.pump([0] * 3)
            received += self.client.received()
        self.assertEqual(received.partition(b"\r\n\r\n")[2], LARGE * 3)
        self.assertEqual((loads, open_files()), (3, []))

    def test_load_after_disconnect(self) -> None:
        """A thread that still loads has the file open until it is done, and no other one instead."""
        self.cached = False
        self.client.request("GET", "/large")
        self.client.channel.connectionLost(None)
        self.assertEqual(len(open_files()), 1)
        function, waiting = self.loading.pop()
        function()
        waiting.callback(None)
        del function, waiting
        self.assertEqual((self.client.received(), open_files()), (b"", []))

    def test_load_fails(self) -> None:
        """A disk that cannot be read, or a thread that cannot be started, ends the connection."""
        for error in (OSError(errno.EIO, "Input/output error"), Unavailable()):
            self.setUp()
            self.cached = False
            self.client.request("GET", "/large")
            self.loading.pop()[1].errback(error)
            self.assertTrue(self.transport.closed)
            self.assertEqual((len(self.logged), open_files()), (1, []))


class FakeSocket:
    """A socket that takes so many bytes.

    :ivar room: what it takes.
    :ivar error: raised instead, unless it is None.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.error: Exception | None = None
        self.taken: list[bytes] = []
        self.more: list[bool] = []
        self.waiting: Callable[[], object] | None = None
        self.closed = False

    def _take(self, size: int) -> int:
        if self.error is not None:
            raise self.error
        if not self.room:
            raise BlockingIOError
        taken = min(size, self.room)
        self.room -= taken
        return taken

    def send(self, data: bytes, *, more: bool) -> int:
        """Take bytes."""
        self.more.append(more)
        self.taken.append(data[: self._take(len(data))])
        return len(self.taken[-1])

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Take a part of a file."""
        self.taken.append(os.pread(descriptor, self._take(count), offset))
        return len(self.taken[-1])

    def when_writable(self, callback: Callable[[], object]) -> None:
        """Remember what waits."""
        self.waiting = callback

    def close(self) -> None:
        """Close."""
        self.closed, self.waiting = True, None

    def take_more(self, room: int) -> None:
        """Have room again."""
        self.room += room
        callback, self.waiting = self.waiting, None
        assert callback is not None
        callback()


class FakeWriter:
    """A writer whose connection has a socket."""

    def __init__(self, socket: FakeSocket) -> None:
        self.socket = socket
        self.events: list[str] = []
        self.size = 0
        self.lost: Any = None

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Remember the callback."""
        self.lost = callback

    def direct(self, response: Response) -> Any:
        """The socket."""
        return b"HEAD\r\n\r\n", self.socket

    def blocked(self, is_blocked: bool) -> None:
        """Note a change."""
        if is_blocked != ("blocked" in self.events[-1:]):
            self.events.append("blocked" if is_blocked else "free")

    def sent(self, size: int) -> None:
        """Count."""
        self.size += size

    def finish(self) -> None:
        """Note the end."""
        self.events.append("finish")

    def cut_off(self) -> None:
        """Note the end."""
        self.events.append("cut off")


class SocketTests(SynchronousTestCase):
    """A file that is sent past the transport."""

    def start(self, room: int, *parts: Any) -> None:
        """Send a file of a kilobyte."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(CONTENT)
        self.path = path
        self.descriptor = FileDescriptor(os.open(path, os.O_RDONLY))
        self.socket = FakeSocket(room)
        self.writer = FakeWriter(self.socket)
        self.clock = Clock()
        writer: Any = self.writer
        disk = Disk(lambda function: Deferred())
        self.patch(Disk, "is_cached", lambda *arguments: True)
        response = FileResponse(Response(200, EMPTY, b""), parts or ((0, 1024),))
        FileSender(writer, response, self.descriptor, disk, self.clock).start()

    def test_at_once(self) -> None:
        """Head and file are sent, the head in the same segment; then file and descriptor are closed."""
        self.start(5000)
        self.assertEqual(b"".join(self.socket.taken), b"HEAD\r\n\r\n" + CONTENT)
        self.assertEqual((self.socket.more, self.writer.events), ([True], ["finish"]))
        self.assertEqual((self.socket.closed, self.descriptor.fileno()), (True, -1))
        self.assertEqual(self.writer.size, 8 + 1024)

    def test_piecewise(self) -> None:
        """Each part goes on where the socket has stopped to take it; meanwhile the connection is blocked."""
        self.start(3, b"a", (10, 20), b"bc", (1000, 1010), b"d")
        self.assertEqual(self.writer.events, ["blocked"])
        while self.socket.waiting is not None:
            self.socket.take_more(3)
        expected = b"HEAD\r\n\r\na" + CONTENT[10:20] + b"bc" + CONTENT[1000:1010] + b"d"
        self.assertEqual(b"".join(self.socket.taken), expected)
        self.assertEqual(self.writer.events[-1], "finish")
        self.assertEqual(self.socket.more[-1], False)

    def test_truncated(self) -> None:
        """A file that has become shorter is cut off."""
        self.start(500)
        os.truncate(self.path, 600)
        self.socket.take_more(5000)
        self.assertEqual(self.writer.events[-1], "cut off")
        self.assertEqual((self.socket.closed, self.descriptor.fileno()), (True, -1))

    def test_lost(self) -> None:
        """After the connection is lost nothing is sent, and the file and the descriptor are closed."""
        self.start(500)
        self.writer.lost()
        self.assertEqual((self.socket.closed, self.descriptor.fileno()), (True, -1))
        self.assertNotIn("finish", self.writer.events)

    def test_broken(self) -> None:
        """A connection that the client has closed ends without a message in the log."""
        for error in (BrokenPipeError(), ConnectionResetError()):
            self.start(500)
            self.socket.error = error
            self.socket.take_more(1)
            self.assertEqual(self.writer.events[-1], "cut off")
            self.assertTrue(self.socket.closed)
