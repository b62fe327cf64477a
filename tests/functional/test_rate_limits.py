"""Tests of rate limits over several workers."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter

from tests.functional.orchestrator_process import OrchestratorTestCase
from unixsvc.blocking import Client
from unixsvc.errors import RateLimited

_LIMIT = 60
_CLIENTS = 6


class WorkersTests(OrchestratorTestCase):
    """Three workers with one limit."""

    config = '[services.limiting]\napp = "limiting:app"\nworkers = 3\n'

    def take(self, calls: int) -> tuple[Counter[int], int]:
        """Call on several connections at the same time.

        :param calls: the number of calls of each client.
        :returns: the admitted calls by worker, and the number of refused ones.
        """
        admitted: Counter[int] = Counter()
        refused: list[float] = []
        lock = threading.Lock()

        def call() -> None:
            with Client("limiting", socket_dir=f"{self.folder}/run", token=self.token()) as client:
                for _ in range(calls):
                    try:
                        pid = client.get("/take", type=int)
                    except RateLimited as error:
                        refused.append(error.detail["retry_after"])
                    else:
                        with lock:
                            admitted[pid] += 1

        threads = [threading.Thread(target=call) for _ in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return admitted, len(refused)

    def test_exact(self) -> None:
        """All workers together admit what the limit says; a killed worker and a reload change nothing."""
        self.start()
        first, refused = self.take(5)
        self.assertEqual((sum(first.values()), refused), (30, 0))
        self.assertGreater(len(first), 1)
        killed = self.worker_pids("limiting")[0]
        os.kill(killed, signal.SIGKILL)
        self.eventually(lambda: len({*self.worker_pids("limiting")} - {killed}) == 3)
        second, refused = self.take(4)
        self.assertEqual((sum(second.values()), refused), (24, 0))
        self.assertDone("reload")
        third, refused = self.take(8)
        self.assertEqual((sum(third.values()), refused), (_LIMIT - 54, 48 - 6))
        self.assertFalse({*first, *second} & {*third})
