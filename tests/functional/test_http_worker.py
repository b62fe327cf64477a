"""Clients that mean no good, against a worker of the orchestrator and all that is behind it."""

from __future__ import annotations

import statistics

from tests.functional.http_stack import WebTestCase
from tests.functional.raw_http_client import HttpTalk, get
from tests.functional.slow_http_client import Dripping, percentile
from tests.unit.rest.abuse import HEADS, LIMIT, bodies

_BODY = 100_000
_CONFIG = """
[http]
app = "rest_app:app"
listen = ["tcp:0:interface=127.0.0.1"]
"""


class StrictTests(WebTestCase):
    """The list of what is refused."""

    config = f"{_CONFIG}max_header_bytes = {LIMIT}\nmax_message_bytes = {_BODY}\n"

    def test_refused(self) -> None:
        """Each is refused with its code and a problem, and what follows it is no request."""
        self.serve()
        for each in (*HEADS, *bodies(LIMIT, _BODY)):
            with HttpTalk(self.port) as talk:
                talk.raw(each.sent + get("/smuggled"))
                answer = talk.receive()
                self.assertEqual((each.why, answer.code, talk.rest()), (each.why, each.code, b""))
                self.assertEqual(answer.headers["content-type"], "application/problem+json")
                self.assertEqual(answer.problem()["status"], each.code)
        with HttpTalk(self.port) as talk:
            self.assertEqual(talk.ask(get("/")).code, 200)


class SlowTests(WebTestCase):
    """A thousand clients that send their heads a byte at a time."""

    config = f"{_CONFIG}header_timeout = 60.0\nmax_connections = 1100\n"

    def test_others(self) -> None:
        """Another client waits less than twice as long as without them."""
        self.serve()
        alone: list[float] = []
        among: list[float] = []
        with Dripping(self.port, 1000) as dripping, HttpTalk(self.port) as talk:
            for _ in range(15):
                for dripped, found in ((False, alone), (True, among)):
                    dripping.set(dripped)
                    found.append(percentile(talk, 1000, 0.99))
        usual, then = statistics.median(alone), statistics.median(among)
        self.figure(f"p99 of GET / alone {usual * 1e3:.2f} ms, among 1,000 slow heads {then * 1e3:.2f} ms")
        self.assertLess(then, 2 * usual + 0.003)  # which is what another process takes away at a time
