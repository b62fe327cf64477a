"""The one-message exchange, and many messages on one connection, over real sockets."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from functools import partial

import psutil

from tests.functional.debian_packages import DebianProgram
from tests.functional.orchestrator_process import OrchestratorTestCase

_MANY = 10_000


class OneMessageTests(OrchestratorTestCase):
    """What a client of the original system does: connect, write one object, read to the end."""

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.start()

    def exchange(self, message: bytes) -> bytes:
        """The reply to these bytes, to the end of the stream."""
        with self.talk() as talk:
            talk.raw(message)
            return talk.rest()

    def padded(self, size: int) -> bytes:
        """A request of exactly so many bytes."""
        message = {"path": "/item/7", "auth_token": self.token(), "data": {"pad": ""}}
        message["data"] = {"pad": "x" * (size - len(json.dumps(message)))}
        encoded = json.dumps(message).encode()
        self.assertEqual(len(encoded), size)
        return encoded

    def test_no_line_end(self) -> None:
        """One object without a line end is answered, bare, byte for byte, and the connection is closed."""
        self.assertEqual(self.exchange(self.padded(200)), b'{"id":7}')

    def test_buffer_sizes(self) -> None:
        """Messages of 4096 and 8192 bytes, which the original misread."""
        for size in (4096, 8192, 4096 * 3):
            self.assertEqual(self.exchange(self.padded(size)), b'{"id":7}')

    def test_failure(self) -> None:
        """A failure is bare as well."""
        reply = json.loads(self.exchange(b'{"path":"/item/7"}'))
        self.assertEqual((reply["status"], reply["code"]), ("error", 401))

    def test_socat(self) -> None:
        """What people try first works: socat shuts down its sending side when its input ends."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        socat = DebianProgram("socat", ("socat", "libwrap0"), folder)
        done = socat.run("-t", "10", "-", f"UNIX-CONNECT:{self.path()}", stdin=self.padded(4096))
        self.assertEqual((done.stdout, done.returncode), (b'{"id":7}', 0))


class SlowReadersTests(OrchestratorTestCase):
    """Clients that take their replies late, or never, in both isolations."""

    config = "".join(
        f'[services.{name}]\napp = "codes:app"\nisolation = "{name}"\n' for name in ("process", "inline")
    )
    config = "[limits]\nidle_timeout = 1.0\nmessage_timeout = 1.0\n" + config

    def is_alone(self, service: str) -> bool:
        """Whether the service has no client besides the one that asks."""
        return bool(self.ask(service, "/-/stats")["connections"] == 1)

    def test_large_reply(self) -> None:
        """A large reply to a one-message client is whole, and then the connection is closed."""
        self.start()
        for service in ("process", "inline"):
            with self.talk(service) as talk:
                talk.raw(talk.encode(path="/large/1000000")[:-1])
                self.assertEqual(talk.rest(), b'"' + b"x" * 1_000_000 + b'"')

    def test_never_reads(self) -> None:
        """One who never takes the reply is cut off, and does not keep anything from ending."""
        running = self.start()
        for service in ("process", "inline"):
            for size in (200_000, 230_000, 1_000_000):
                self.talk(service).send(id=1, path=f"/large/{size}")
                talk = self.talk(service)
                talk.raw(talk.encode(path=f"/large/{size}")[:-1])
            self.eventually(partial(self.is_alone, service), 10.0)
            self.talk(service).send(id=1, path="/large/1000000")
        running.interrupt()
        self.assertEqual(running.wait(), 0)


class ManyMessagesTests(OrchestratorTestCase):
    """Thousands of requests on one connection."""

    def setUp(self) -> None:
        """Start, and connect."""
        super().setUp()
        self.start()
        self.connection = self.talk()

    def stream(self) -> bytes:
        """Ten thousand requests; the first shows the token for all."""
        first = self.connection.encode(id=0, path="/item/0")
        return first + b"".join(b'{"id":%d,"path":"/item/%d"}\n' % (n, n) for n in range(1, _MANY))

    def replies_to(self, pieces: list[bytes], count: int) -> list[bytes]:
        """Write the pieces while the replies are read."""

        def write() -> None:
            for each in pieces:
                self.connection.raw(each)

        writing = threading.Thread(target=write)
        writing.start()
        data = b""
        while data.count(b"\n") < count:
            data += self.connection.socket.recv(1 << 20)
        writing.join()
        return sorted(data.splitlines())

    def test_at_full_speed(self) -> None:
        """Ten thousand, written as fast as the socket takes them: each is answered, to its id."""
        replies = self.replies_to([self.stream()], _MANY)
        self.assertEqual(
            replies, sorted(b'{"id":%d,"code":200,"data":{"id":%d}}' % (n, n) for n in range(_MANY))
        )

    def test_byte_by_byte(self) -> None:
        """The same bytes, one in a packet, get the same replies."""
        stream = self.stream()
        whole = self.replies_to([stream], _MANY)
        self.assertEqual(self.replies_to([stream[at : at + 1] for at in range(len(stream))], _MANY), whole)


class NeverReadingTests(OrchestratorTestCase):
    """A client that writes and never reads."""

    def write_until_it_blocks(self, path: str) -> int:
        """Write requests until the socket takes no more for a while; how many bytes it took."""
        talk = self.talk()
        talk.socket.settimeout(0.5)
        taken, chunk = 0, b"".join(talk.encode(id=n, path=path) for n in range(1000))
        try:
            while taken < 64 << 20:
                taken += talk.socket.send(chunk[taken % len(chunk) :])
        except TimeoutError:
            return taken
        raise AssertionError("64 MiB were taken from a client that reads nothing")

    def test_memory(self) -> None:
        """The worker stops reading, its memory stays bounded, and others are served meanwhile."""
        self.start()
        worker = psutil.Process(self.ask("codes", "/peer")["worker"])
        before = worker.memory_info().rss
        for path in ("/item/7", "/never"):
            for _ in range(3):
                self.write_until_it_blocks(path)
        started = time.monotonic()
        self.assertEqual(self.ask("codes", "/item/1"), {"id": 1})
        self.assertLess(time.monotonic() - started, 1.0)
        grown = worker.memory_info().rss - before
        # Six clients, each with one read of 256 KiB, 64 KiB of replies, and 128 requests in work.
        self.assertLess(grown, 6 << 20)
