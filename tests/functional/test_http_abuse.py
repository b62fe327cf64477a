"""Malicious and broken HTTP clients, over real sockets."""

from __future__ import annotations

import random
import time

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests.functional.http_child import Settings
from tests.functional.raw_http_client import RawHttpConnection, Response, get, start_http
from tests.functional.slow_http_client import SlowClients, percentile
from tests.unit.rest.abuse import HEADS, LIMIT, bodies
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits

BODY = 100_000
HTTP = Http(header_timeout=1.0, send_timeout=2.0, max_header_bytes=LIMIT)
LIMITS = Limits(message_timeout=1.0, idle_timeout=2.0, max_message_bytes=BODY, max_connections=50)
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class AbuseTestCase(SynchronousTestCase):
    """A test case with a server that has to be healthy at the end, with an empty log.

    :cvar settings: of the server.
    """

    settings = Settings(HTTP, LIMITS)

    def setUp(self) -> None:
        """Start the server."""
        self.server = start_http(self, self.settings)
        self.addCleanup(self.assert_healthy)

    def assert_healthy(self) -> None:
        """Assert that the server responds, and ends normally."""
        with self.connect() as connection:
            self.assertEqual(connection.request(get()).code, 200)
        self.server.terminate()
        self.assertEqual(self.server.wait(), (0, ""))

    def connections(self) -> int:
        """The number of connections of the server."""
        return sum(bool(each.raddr) for each in psutil.Process(self.server.pid).net_connections())

    def connect(self, window: int = 0) -> RawHttpConnection:
        """Connect."""
        connection = RawHttpConnection(self.server.port, window)
        self.addCleanup(connection.close)
        return connection

    def assert_rejected(self, code: int, connection: RawHttpConnection, why: str = "") -> Response:
        """Assert that the next response is this problem, and that the connection is closed after it."""
        response = connection.receive()
        self.assertEqual((why, response.code, connection.read_to_end()), (why, code, b""))
        self.assertEqual(response.headers["content-type"], "application/problem+json")
        self.assertEqual(response.headers["connection"], "close")
        self.assertEqual(response.problem()["status"], code)
        self.assertNotIn("server", response.headers)
        return response


class StrictnessTests(AbuseTestCase):
    """Requests that two programs could parse differently."""

    def test_rejected(self) -> None:
        """Each is rejected with its status code, and what follows is not taken for a request."""
        for each in (*HEADS, *bodies(LIMIT, BODY)):
            with self.connect() as connection:
                connection.send(each.sent)
                self.assert_rejected(each.code, connection, each.why)

    def test_mutations(self) -> None:
        """Each mutated request gets a response, or the connection is closed."""
        chance = random.Random(7)  # noqa: S311  # the same each time
        seeds = [
            get("/?a=b", "Accept: */*", "Connection: keep-alive"),
            POST + b"Content-Length: 5\r\n\r\nhello",
            POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ]
        for _ in range(500):
            sent = bytearray(chance.choice(seeds))
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(sent))
                sent[at : at + chance.randint(0, 2)] = chance.choice(
                    (b"", b"\r", b"\n", b"\0", b" ", b":", b"\xff", b"\r\n", b"9" * 30, b"%00")
                )
            with self.connect() as connection:
                connection.send(bytes(sent) + get("/last", "Connection: close"))
                connection.socket.shutdown(1)
                response = connection.read_to_end()
                self.assertTrue(not response or response.startswith(b"HTTP/1.1 "), response)
                self.assertNotIn(b"500 ", response)


class SizeTests(AbuseTestCase):
    """Requests that are too large."""

    def test_goes_on_sending(self) -> None:
        """A client that goes on sending a body that is too large receives the response."""
        for framing in (b"Content-Length: 5000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n4C4B40\r\n"):
            with self.connect() as connection:
                connection.send(POST + framing + b"a" * 5_000_000)
                response = self.assert_rejected(413, connection)
                self.assertEqual(response.problem()["max_message_bytes"], BODY)

    def test_continue(self) -> None:
        """Expect: 100-continue gets 100 if the body is accepted, otherwise an error."""
        expects = POST + b"Expect: 100-continue\r\n"
        with self.connect() as connection:
            self.assertEqual(connection.request(expects + b"Content-Length: 5\r\n\r\n").code, 100)
            self.assertEqual(connection.request(b"hello").body, b"5")
            connection.send(expects + b"Content-Length: 5000000\r\n\r\n")
            self.assert_rejected(413, connection)

    def test_pipeline(self) -> None:
        """A long pipeline is answered, without buffering it in the server's memory."""
        with self.connect() as connection:
            memory = psutil.Process(self.server.pid).memory_info
            before = memory().rss
            connection.socket.setblocking(False)
            sent, data = 0, get() * 1000
            try:
                while sent < 200_000_000:
                    sent += connection.socket.send(data[sent % len(data) :])
            except BlockingIOError:
                pass  # flow control: the server stops until responses are read
            self.assertLess(sent, 200_000_000)
            self.assertLess(memory().rss - before, 20_000_000)
            connection.socket.setblocking(True)
            for _ in range(sent // len(get())):
                self.assertEqual(connection.receive().code, 200)


class TimeTests(AbuseTestCase):
    """Slow clients."""

    def test_silent(self) -> None:
        """A client that sends nothing is closed without a response."""
        with self.connect() as connection:
            began = time.monotonic()
            self.assertEqual(connection.read_to_end(), b"")
            self.assertLess(time.monotonic() - began, 3.0)

    def test_idle(self) -> None:
        """An idle connection is closed without a response."""
        with self.connect() as connection:
            connection.request(get())
            self.assertEqual(connection.read_to_end(), b"")

    def test_slow_bytes(self) -> None:
        """Single bytes do not restart the time-out of a head or of a body."""
        for whole in (
            get(),
            POST + b"Content-Length: 50\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\n",
        ):
            with self.connect() as connection:
                if whole.startswith(b"POST"):
                    connection.send(whole)
                    whole = b"0" * 15
                began = time.monotonic()
                for each in whole[:15]:
                    connection.send(bytes([each]))
                    time.sleep(0.1)
                self.assert_rejected(408, connection)
                self.assertLess(time.monotonic() - began, 3.0)

    def test_stalled(self) -> None:
        """A client that does not read is aborted; what the kernel has sent arrives."""
        with self.connect(window=4096) as connection:
            connection.send(get("/big/50000000"))
            time.sleep(0.5)  # until it has been accepted
            deadline = time.monotonic() + 20.0
            while self.connections() and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertEqual(self.connections(), 0)
            self.assertLess(len(connection.read_to_end()), 20_000_000)  # what the kernel had sent by then

    def test_slow_reader(self) -> None:
        """A client that reads slowly gets the whole response."""
        with self.connect(window=65_536) as connection:
            connection.send(get("/big/8000000", "Connection: close"))
            got = 0
            for _ in range(16):
                got += len(connection.socket.recv(100_000))
                time.sleep(0.25)
            self.assertGreater(got + len(connection.read_to_end()), 8_000_000)


class NumberTests(AbuseTestCase):
    """More clients than the limit; without short time-outs, as connecting may take long on a busy machine."""

    settings = Settings(
        Http(header_timeout=60.0, max_header_bytes=LIMIT),
        Limits(authentication_timeout=60.0, max_message_bytes=BODY, max_connections=50),
    )

    def test_too_many(self) -> None:
        """Clients over the limit get 503 with Retry-After, and the others are served."""
        connections = [self.connect() for _ in range(LIMITS.max_connections)]
        with self.connect() as connection:
            self.assertEqual(self.assert_rejected(503, connection).headers["retry-after"], "1")
        for each in connections:
            self.assertEqual(each.request(get()).code, 200)

    def test_idle(self) -> None:
        """Idle clients up to the limit do not lock out another one: it takes the place of the oldest."""
        connections = [self.connect() for _ in range(LIMITS.max_connections)]
        for each in connections:
            self.assertEqual(each.request(get()).code, 200)
        with self.connect() as connection:
            self.assertEqual(connection.request(get()).code, 200)
        self.assertEqual(connections[0].read_to_end(), b"")
        self.assertEqual(connections[-1].request(get()).code, 200)

    def test_drain(self) -> None:
        """A server that drains completes pending requests, and closes idle connections."""
        idle, busy = self.connect(), self.connect()
        self.assertEqual(idle.request(get()).code, 200)
        busy.send(get("/slow"))
        time.sleep(0.2)
        self.server.terminate()
        self.assertEqual(idle.read_to_end(), b"")
        response = busy.receive()
        self.assertEqual((response.body, response.headers["connection"]), (b"slow", "close"))
        self.assertEqual(busy.read_to_end(), b"")
        self.assertEqual(self.server.wait(), (0, ""))

    def assert_healthy(self) -> None:
        """It may have ended."""


class SlowHeadTests(AbuseTestCase):
    """A thousand clients that send their heads one byte at a time."""

    settings = Settings(Http(header_timeout=60.0), Limits(max_connections=1100))

    def test_latency(self) -> None:
        """The latency of another client stays below twice the usual.

        Other work on the machine only adds to it, so the best of several rounds counts.
        """
        alone: list[float] = []
        among: list[float] = []
        with SlowClients(self.server.port, 1000) as slow_clients, self.connect() as connection:
            for _ in range(15):
                for running, found in ((False, alone), (True, among)):
                    slow_clients.set(running)
                    found.append(percentile(connection, 1000, 0.99))
        usual, then = min(alone), min(among)
        self.assertLess(then, 2 * usual, f"{usual * 1e3:.2f} ms alone, {then * 1e3:.2f} ms among them")
