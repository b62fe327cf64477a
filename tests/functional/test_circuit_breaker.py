"""What ``unixsvc status`` reports about calls to a service that is not available."""

from __future__ import annotations

import json
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase

_CLOSED = {"open": 0, "half_open": 0, "closed": 1, "refused": 0, "connections": 1}


def _state(stats: dict[str, int]) -> dict[str, int]:
    """The state of a breaker, without the counters of calls."""
    return {name: stats[name] for name in _CLOSED}


class CircuitTests(OrchestratorTestCase):
    """One of two workers calls another service, which stops and starts again."""

    config = "".join(
        f'[services.{each}]\napp = "chain:{each}"\nworkers = {workers}\n'
        for each, workers in (("first", 2), ("second", 1), ("third", 1))
    )

    def setUp(self) -> None:
        """Start the services; a connection stays with one worker."""
        super().setUp()
        self.start()
        self.first = self.talk("first")

    def code(self) -> int:
        """Let the first service call the second; the code of the reply."""
        code: int = self.first.ask(id=1, path="/names")["code"]
        return code

    def status_of_first(self) -> Any:
        """The status of the first service."""
        done = self.command("status", "--json")
        self.assertEqual((done.code, done.err), (0, ""))
        return json.loads(done.out)["first"]

    def second(self) -> Any:
        """The client statistics of the first service for the second."""
        return _state(self.status_of_first()["services"]["second"])

    def line(self) -> str:
        """The line of the status about it; empty if there is none."""
        out = self.command("status").out
        return next((each for each in out.splitlines() if each.startswith("first -> ")), "")

    def test_status(self) -> None:
        """The state of the circuit breaker is reported, in JSON and as text."""
        self.assertEqual(self.status_of_first()["services"], {})
        self.assertEqual(self.code(), 200)
        self.assertEqual((self.second(), self.line()), (_CLOSED, ""))
        self.assertDone("stop", "second")
        for number in range(5):
            self.first.send(id=number, path="/names")
        self.assertEqual([self.first.receive()["code"] for _ in range(5)], [503] * 5)
        # Each pause is twice as long as the one before: in the end the command is in time.
        self.eventually(lambda: self.code() == 503 and self.second()["open"] == 1)
        words = "first -> second: circuit open in 1 of 2 workers"
        self.eventually(lambda: self.code() == 503 and self.line() == words)
        self.eventually(lambda: self.second()["half_open"] == 1)
        self.assertEqual(self.line(), "first -> second: circuit half-open in 1 of 2 workers")
        self.assertDone("start", "second")
        self.eventually(lambda: self.code() == 200)
        self.eventually(lambda: self.second() | {"refused": 0} == _CLOSED)
        self.assertEqual(self.line(), "")

    def test_workers(self) -> None:
        """Each worker has a breaker of its own; counts survive the worker."""
        self.code()
        workers = [each["services"] for each in self.status_of_first()["workers"]]
        none, one = sorted(workers, key=len)
        self.assertEqual((none, _state(one["second"])), ({}, _CLOSED))
        self.assertDone("stop", "second")
        for number in range(5):
            self.first.send(id=number, path="/names")
        self.assertEqual([self.first.receive()["code"] for _ in range(5)], [503] * 5)
        self.eventually(lambda: self.code() == 503 and self.second()["refused"])
        refused = self.second()["refused"]
        self.assertDone("restart", "first")
        self.assertEqual(self.second(), dict.fromkeys(_CLOSED, 0) | {"refused": refused})
        self.assertEqual((self.status_of_first()["services"].keys(), self.line()), ({"second"}, ""))
