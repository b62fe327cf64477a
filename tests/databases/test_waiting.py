"""Requests that end while their actions wait in libraries for asyncio and for Deferreds."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import redis

from tests.databases.case import DatabaseTestCase
from tests.databases.http_server import run_http
from tests.databases.servers import run_redis

_PLACES: Final = ("query", "transaction", "request", "body", "pop", "group", "deferred")
_CALLS: Final = 6  # of each action; the pools have four connections, so some wait for one
# httpcore 1.0.9, also in plain asyncio: if a request is cancelled when it has just been given a connection
# after it has waited for one, the pool keeps this connection and never uses it. So no request waits for one.
_FEWER: Final = {"request": 4, "body": 4}
_CHILDREN: Final = 3  # of a task group


class WaitingTests(DatabaseTestCase):
    """The application ``waiting``."""

    def setUp(self) -> None:
        """Run the servers, and the service with one worker, whose pools are full."""
        super().setUp()
        self.server.execute("CREATE TABLE visits (id BIGINT GENERATED ALWAYS AS IDENTITY)")
        path = self.enterContext(run_redis())
        self.http = self.enterContext(run_http())
        self.redis: Any = redis.Redis(unix_socket_path=path)
        self.addCleanup(self.redis.close)
        self.configure(
            '[services.waiting]\napp = "waiting:app"\nworkers = 1\n[services.waiting.options]\n'
            f'postgresql = "postgresql://shop@/shop?host={self.server.host}"\n'
            f'http = "{self.http.address}"\nredis = "unix://{path}"\n'
        )
        # svcs imports Starlette where it is installed, which warns about httpx then.
        self.running = self.start(environment={"PYTHONWARNINGS": "ignore"})
        self.use_all()

    def use_all(self) -> None:
        """Every library works, in more actions at a time than pools have connections."""
        with self.talk("waiting") as talk:
            for number in range(_CALLS):
                talk.send(id=number, path="/all")
            replies = [talk.receive() for _ in range(_CALLS)]
        self.assertEqual([each.get("data") for each in replies], [[1, 2, 3, 4, 5, 6]] * _CALLS)

    def assert_interrupted(self, place: str, error: str) -> None:
        """The error has arrived in all actions, and every connection is in its pool or closed."""
        expected = Counter({f"{place}: {error}": _calls(place)})
        if place == "group":
            expected["child: CancelledError"] = _CALLS * _CHILDREN
        self.eventually(lambda: not self.in_use())
        counts = self.counts()
        self.assertEqual(Counter(counts["interrupted"]) - self.before, expected)
        self.eventually(lambda: self.server.connections() == counts["postgresql"][0])
        self.eventually(lambda: self.http.open == self.counts()["http"][0])
        self.eventually(lambda: len(self.clients()) <= self.counts()["redis"][0])
        self.use_all()

    def counts(self) -> dict[str, Any]:
        """The counts of the application."""
        found: dict[str, Any] = self.ask("waiting", "/counts")
        return found

    def clients(self) -> list[dict[str, str]]:
        """The clients of Redis, without this one."""
        return [each for each in self.redis.client_list() if each["cmd"] != "client|list"]

    def in_use(self) -> list[object]:
        """What is in use: connections by the pools' counts, and what the servers say."""
        counts = self.counts()
        used: list[object] = [
            name for name in ("postgresql", "http", "redis") if counts[name][0] != counts[name][1]
        ]
        blocked = [each["cmd"] for each in self.clients() if "b" in each["flags"]]
        return used + ["query"] * (self.server.queries() + self.server.transactions()) + blocked

    def wait_in(self, place: str, **message: Any) -> Any:
        """Call an action several times, and wait until all have come to where they wait; the connection."""
        before = self.counts()
        self.before = Counter(before["interrupted"])
        talk = self.talk("waiting")
        for number in range(_calls(place)):
            talk.send(id=number, path=f"/{place}", **message)
        self.eventually(lambda: self.counts()["started"] == before["started"] + _calls(place))
        return talk

    def test_deadline(self) -> None:
        """At the deadline the reply is 504, the error arrives where the action waits, and pools are whole."""
        for place in _PLACES:
            talk = self.wait_in(place, timeout=0.1)
            codes = [talk.receive()["code"] for _ in range(_calls(place))]
            self.assertEqual(set(codes), {504}, place)
            self.assert_interrupted(place, "DeadlineExceeded")
        self.assert_ended()

    def test_disconnect(self) -> None:
        """If the client disconnects, the error arrives where the action waits, and pools are whole."""
        for place in _PLACES:
            talk = self.wait_in(place)
            if place != "deferred":
                self.eventually(self.in_use)
            talk.close()
            self.assert_interrupted(place, "Cancelled")
        self.assert_ended()

    def assert_ended(self) -> None:
        """Interrupted transactions are rolled back; the worker closes its pools, and logs no failure."""
        self.assertEqual(self.server.number("SELECT count(*) FROM visits"), 0)
        self.running.interrupt()
        self.assertEqual(self.running.wait(), 0)
        # The servers end what belongs to a connection some time after its close.
        self.eventually(lambda: not self.server.connections() and not self.clients())
        self.eventually(lambda: not self.http.open)
        failed = [each for each in self.running.log if each["level"] in ("warn", "error", "critical")]
        self.assertEqual(failed, [])


def _calls(place: str) -> int:
    return _FEWER.get(place, _CALLS)
