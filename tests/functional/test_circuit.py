"""What is told of a service that others ask, and do not find."""

from __future__ import annotations

import json
from typing import Any

from tests.functional.orchestrator_process import RunningTestCase

_CLOSED = {"open": 0, "half_open": 0, "closed": 1, "refused": 0, "connections": 1}


class CircuitTests(RunningTestCase):
    """One of the two workers of the first asks the second, which stops and comes back."""

    config = "".join(
        f'[services.{each}]\napp = "chain:{each}"\nworkers = {workers}\n'
        for each, workers in (("first", 2), ("second", 1), ("third", 1))
    )

    def setUp(self) -> None:
        """Start; a connection stays with one worker."""
        super().setUp()
        self.start()
        self.first = self.talk("first")

    def code(self) -> int:
        """Have the first ask the second; the code of what comes of it."""
        code: int = self.first.ask(id=1, path="/names")["code"]
        return code

    def told(self) -> Any:
        """What the command tells of the first."""
        done = self.command("status", "--json")
        self.assertEqual((done.code, done.err), (0, ""))
        return json.loads(done.out)["first"]

    def second(self) -> Any:
        """How the second does, as the first sees it."""
        return self.told()["services"]["second"]

    def line(self) -> str:
        """What the command tells of that in words; empty if nothing."""
        out = self.command("status").out
        return next((each for each in out.splitlines() if each.startswith("first -> ")), "")

    def test_told(self) -> None:
        """Whether calls are refused, may pass again, or are answered is told, in figures and in words."""
        self.assertEqual(self.told()["services"], {})
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
        """Each worker tells its own; what one has counted is not lost with it, and its breaker is."""
        self.code()
        workers = [each["services"] for each in self.told()["workers"]]
        self.assertEqual(sorted(workers, key=len), [{}, {"second": _CLOSED}])
        self.assertDone("stop", "second")
        for number in range(5):
            self.first.send(id=number, path="/names")
        self.assertEqual([self.first.receive()["code"] for _ in range(5)], [503] * 5)
        self.eventually(lambda: self.code() == 503 and self.second()["refused"])
        refused = self.second()["refused"]
        self.assertDone("restart", "first")
        self.assertEqual(self.second(), dict.fromkeys(_CLOSED, 0) | {"refused": refused})
        self.assertEqual((self.told()["services"].keys(), self.line()), ({"second"}, ""))
