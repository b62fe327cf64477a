"""Clients that mean no good, or do not know better, over real sockets."""

from __future__ import annotations

import random
import statistics
import time

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests.functional.http_child import Settings
from tests.functional.raw_http_client import Answer, HttpTalk, get, start_http
from tests.functional.slow_http_client import Dripping, percentile
from tests.unit.rest.abuse import HEADS, LIMIT, bodies
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits

BODY = 100_000
HTTP = Http(header_timeout=1.0, send_timeout=2.0, max_header_bytes=LIMIT)
LIMITS = Limits(message_timeout=1.0, idle_timeout=2.0, max_message_bytes=BODY, max_connections=50)
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class AbuseTestCase(SynchronousTestCase):
    """Has a server, which at the end is well, and has nothing to complain of.

    :cvar settings: of the server.
    """

    settings = Settings(HTTP, LIMITS)

    def setUp(self) -> None:
        """Start it."""
        self.server = start_http(self, self.settings)
        self.addCleanup(self.assertWell)

    def assertWell(self) -> None:
        """It answers, and ends as it should."""
        with self.talk() as talk:
            self.assertEqual(talk.ask(get()).code, 200)
        self.server.terminate()
        self.assertEqual(self.server.wait(), (0, ""))

    def connections(self) -> int:
        """How many connections it has."""
        return sum(bool(each.raddr) for each in psutil.Process(self.server.pid).net_connections())

    def talk(self, window: int = 0) -> HttpTalk:
        """Connect."""
        talk = HttpTalk(self.server.port, window)
        self.addCleanup(talk.close)
        return talk

    def assertRefused(self, code: int, talk: HttpTalk, why: str = "") -> Answer:
        """The next answer is this problem, and after it the connection ends well."""
        answer = talk.receive()
        self.assertEqual((why, answer.code, talk.rest()), (why, code, b""))
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(answer.problem()["status"], code)
        self.assertNotIn("server", answer.headers)
        return answer


class StrictnessTests(AbuseTestCase):
    """Requests that two programs could read differently."""

    def test_refused(self) -> None:
        """Each is refused with its code, and what follows it is no request."""
        for each in (*HEADS, *bodies(LIMIT, BODY)):
            with self.talk() as talk:
                talk.raw(each.sent)
                self.assertRefused(each.code, talk, each.why)

    def test_mutations(self) -> None:
        """Whatever is done to requests, each is answered, or the connection closed."""
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
            with self.talk() as talk:
                talk.raw(bytes(sent) + get("/last", "Connection: close"))
                talk.socket.shutdown(1)
                answer = talk.rest()
                self.assertTrue(not answer or answer.startswith(b"HTTP/1.1 "), answer)
                self.assertNotIn(b"500 ", answer)


class SizeTests(AbuseTestCase):
    """Requests that are too large."""

    def test_goes_on_sending(self) -> None:
        """A client that sends a body that is too large hears so, though it goes on sending for a while."""
        for framing in (b"Content-Length: 5000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n4C4B40\r\n"):
            with self.talk() as talk:
                talk.raw(POST + framing + b"a" * 5_000_000)
                answer = self.assertRefused(413, talk)
                self.assertEqual(answer.problem()["max_message_bytes"], BODY)

    def test_continue(self) -> None:
        """A client that asks first is told to send what will be accepted, and not what will not."""
        expects = POST + b"Expect: 100-continue\r\n"
        with self.talk() as talk:
            self.assertEqual(talk.ask(expects + b"Content-Length: 5\r\n\r\n").code, 100)
            self.assertEqual(talk.ask(b"hello").body, b"5")
            talk.raw(expects + b"Content-Length: 5000000\r\n\r\n")
            self.assertRefused(413, talk)

    def test_pipeline(self) -> None:
        """Any number of requests that come at once are answered, and do not fill the server's memory."""
        with self.talk() as talk:
            memory = psutil.Process(self.server.pid).memory_info
            before = memory().rss
            talk.socket.setblocking(False)
            sent, data = 0, get() * 1000
            try:
                while sent < 200_000_000:
                    sent += talk.socket.send(data[sent % len(data) :])
            except BlockingIOError:
                pass  # it is our turn to read
            self.assertLess(sent, 200_000_000)
            self.assertLess(memory().rss - before, 20_000_000)
            talk.socket.setblocking(True)
            for _ in range(sent // len(get())):
                self.assertEqual(talk.receive().code, 200)


class TimeTests(AbuseTestCase):
    """Clients that take their time."""

    def test_silent(self) -> None:
        """Who connects and says nothing is closed, and told nothing."""
        with self.talk() as talk:
            began = time.monotonic()
            self.assertEqual(talk.rest(), b"")
            self.assertLess(time.monotonic() - began, 3.0)

    def test_idle(self) -> None:
        """So is who has nothing more to ask."""
        with self.talk() as talk:
            talk.ask(get())
            self.assertEqual(talk.rest(), b"")

    def test_drips(self) -> None:
        """Bytes that come one at a time do not restart the time for a head, or for a body."""
        for whole in (
            get(),
            POST + b"Content-Length: 50\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\n",
        ):
            with self.talk() as talk:
                if whole.startswith(b"POST"):
                    talk.raw(whole)
                    whole = b"0" * 15
                began = time.monotonic()
                for each in whole[:15]:
                    talk.raw(bytes([each]))
                    time.sleep(0.1)
                self.assertRefused(408, talk)
                self.assertLess(time.monotonic() - began, 3.0)

    def test_reads_nothing(self) -> None:
        """Who does not take its answer is cut off, with what was already on its way."""
        with self.talk(window=4096) as talk:
            talk.raw(get("/big/50000000"))
            time.sleep(0.5)  # until it has been accepted
            deadline = time.monotonic() + 20.0
            while self.connections() and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertEqual(self.connections(), 0)
            self.assertLess(len(talk.rest()), 20_000_000)  # what the kernel had of it by then

    def test_reads_slowly(self) -> None:
        """Who takes it slowly gets all of it."""
        with self.talk(window=65_536) as talk:
            talk.raw(get("/big/8000000", "Connection: close"))
            got = 0
            for _ in range(16):
                got += len(talk.socket.recv(100_000))
                time.sleep(0.25)
            self.assertGreater(got + len(talk.rest()), 8_000_000)


class NumberTests(AbuseTestCase):
    """More clients than there may be."""

    def test_too_many(self) -> None:
        """Who is one too many is told when to come again, and the others are served."""
        talks = [self.talk() for _ in range(LIMITS.max_connections)]
        for each in talks:
            self.assertEqual(each.ask(get()).code, 200)
        with self.talk() as talk:
            self.assertEqual(self.assertRefused(503, talk).headers["retry-after"], "1")
        talks.pop().close()
        for each in talks:
            self.assertEqual(each.ask(get()).code, 200)
            each.close()

    def test_leaving(self) -> None:
        """A server that ends finishes what it has been asked, and closes what is idle."""
        idle, busy = self.talk(), self.talk()
        self.assertEqual(idle.ask(get()).code, 200)
        busy.raw(get("/slow"))
        time.sleep(0.2)
        self.server.terminate()
        self.assertEqual(idle.rest(), b"")
        answer = busy.receive()
        self.assertEqual((answer.body, answer.headers["connection"]), (b"slow", "close"))
        self.assertEqual(busy.rest(), b"")
        self.assertEqual(self.server.wait(), (0, ""))

    def assertWell(self) -> None:
        """It may have ended."""


class DrippingTests(AbuseTestCase):
    """A thousand clients that send their heads a byte at a time."""

    settings = Settings(Http(header_timeout=60.0), Limits(max_connections=1100))

    def test_others(self) -> None:
        """Another client does not notice: it waits less than twice as long as without them."""
        alone: list[float] = []
        among: list[float] = []
        with Dripping(self.server.port, 1000) as dripping, self.talk() as talk:
            for _ in range(15):
                for dripped, found in ((False, alone), (True, among)):
                    dripping.set(dripped)
                    found.append(percentile(talk, 1000, 0.99))
        usual, then = statistics.median(alone), statistics.median(among)
        self.assertLess(then, 2 * usual, f"{usual * 1e3:.2f} ms alone, {then * 1e3:.2f} ms among them")
