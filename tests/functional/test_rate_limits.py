"""Tests of rate limits over several workers."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.functional.raw_client import RawConnection

_LIMIT = 60


class WorkersTests(OrchestratorTestCase):
    """Two workers with one limit."""

    config = '[services.limiting]\napp = "limiting:app"\nworkers = 2\n'

    def connect(self) -> dict[int, RawConnection]:
        """A connection to each worker, by its pid."""
        found: dict[int, RawConnection] = {}

        def both() -> bool:
            talk = self.talk("limiting")  # it stays open, so that the other worker has fewer
            found.setdefault(talk.ask(id=1, path="/pid")["data"], talk)
            return len(found) == 2

        self.eventually(both)
        return found

    def take(self, calls: int) -> tuple[Counter[int], int]:
        """Call both workers at the same time.

        :param calls: the number of calls to each.
        :returns: the admitted calls by worker, and the number of refused ones.
        """
        admitted: Counter[int] = Counter()
        refused: list[int] = []

        def call(talk: RawConnection) -> None:
            for number in range(calls):
                reply = talk.ask(id=number, path="/take")
                if "data" in reply:
                    admitted[reply["data"]] += 1  # each thread has a worker of its own
                else:
                    refused.append(reply["code"])

        threads = [threading.Thread(target=call, args=[talk]) for talk in self.connect().values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({*refused} - {429}, set())
        return admitted, len(refused)

    def test_exact(self) -> None:
        """All workers together admit what the limit says; a killed worker and a reload change nothing."""
        running = self.start()
        first, _ = self.take(15)
        self.assertEqual([*first.values()], [15, 15])
        os.kill(next(iter(first)), signal.SIGKILL)
        running.until("worker", "is ready", times=3)
        second, _ = self.take(12)
        self.assertEqual(([*second.values()], len({*first} & {*second})), ([12, 12], 1))
        running.signal(signal.SIGHUP)
        running.until("reloaded all services")
        third, refused = self.take(24)
        self.assertEqual((sum(third.values()), refused), (_LIMIT - 54, 48 - 6))
        self.assertFalse({*first, *second} & {*third})
