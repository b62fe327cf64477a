"""Malicious HTTP clients, against a real worker and its application."""

from __future__ import annotations

import statistics

from tests.functional.http_stack import HttpTestCase
from tests.functional.raw_http_client import RawHttpConnection, get
from tests.functional.slow_http_client import SlowClients, percentile
from tests.unit.rest.abuse import HEADS, LIMIT, bodies

_BODY = 100_000
_CONFIG = """
[http]
app = "rest_app:app"
listen = ["tcp:0:interface=127.0.0.1"]
"""


class StrictnessTests(HttpTestCase):
    """Malformed requests."""

    config = f"{_CONFIG}max_header_bytes = {LIMIT}\nmax_message_bytes = {_BODY}\n"

    def test_rejected(self) -> None:
        """Each is rejected with a problem, and what follows is not taken for a request."""
        self.serve()
        for each in (*HEADS, *bodies(LIMIT, _BODY)):
            with RawHttpConnection(self.port) as connection:
                connection.send(each.sent + get("/smuggled"))
                response = connection.receive()
                self.assertEqual(
                    (each.why, response.code, connection.read_to_end()), (each.why, each.code, b"")
                )
                self.assertEqual(response.headers["content-type"], "application/problem+json")
                self.assertEqual(response.problem()["status"], each.code)
        with RawHttpConnection(self.port) as connection:
            self.assertEqual(connection.request(get("/")).code, 200)


class SlowHeadTests(HttpTestCase):
    """A thousand clients that send their heads one byte at a time."""

    config = f"{_CONFIG}header_timeout = 60.0\nmax_connections = 1100\n"

    def test_latency(self) -> None:
        """The latency of another client stays below twice the usual."""
        self.serve()
        alone: list[float] = []
        among: list[float] = []
        with SlowClients(self.port, 1000) as slow_clients, RawHttpConnection(self.port) as connection:
            for _ in range(15):
                for running, found in ((False, alone), (True, among)):
                    slow_clients.set(running)
                    found.append(percentile(connection, 1000, 0.99))
        usual, then = statistics.median(alone), statistics.median(among)
        self.record_value(
            f"p99 of GET / alone {usual * 1e3:.2f} ms, among 1,000 slow heads {then * 1e3:.2f} ms"
        )
        self.assertLess(then, 2 * usual + 0.003)  # the scheduler's time slice of another process
