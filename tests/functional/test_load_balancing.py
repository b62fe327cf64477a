"""Tests of the even spread of connections over workers."""

from __future__ import annotations

import os
import signal
import socket
import time

from tests.functional.orchestrator_process import OrchestratorTestCase


class SpreadTests(OrchestratorTestCase):
    """Four workers, and clients that stay connected."""

    config = '[services.codes]\napp = "codes:app"\nworkers = 4\n'

    def setUp(self) -> None:
        """Start the workers."""
        super().setUp()
        self.start()
        self.clients: list[socket.socket] = []

    def connect(self, clients: int) -> None:
        """Connect a number of clients."""
        for _ in range(clients):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.connect(self.path())
            self.clients.append(client)

    def spread(self) -> list[int]:
        """The connections of each worker once all are accepted, in ascending order."""
        self.eventually(lambda: sum(self.counts()) == len(self.clients))
        return self.counts()

    def counts(self) -> list[int]:
        """The connections of each worker, in ascending order."""
        return sorted(each["connections"] for each in self.status()["workers"])

    def test_many(self) -> None:
        """Of 200 clients, at once and one by one, no worker has over 1.3 times the mean."""
        self.connect(100)
        for _ in range(100):
            self.connect(1)
            time.sleep(0.002)  # for the worker that wakes first
        spread = self.spread()
        self.record_value(f"200 connections over four workers: {spread}")
        self.assertLessEqual(spread[-1], 65)

    def test_few(self) -> None:
        """Of eight clients, no worker has more than three, and none has zero."""
        self.connect(8)
        spread = self.spread()
        self.record_value(f"8 connections over four workers: {spread}")
        self.assertGreaterEqual(spread[0], 1)
        self.assertLessEqual(spread[-1], 3)

    def test_replaced_worker(self) -> None:
        """A new worker without clients gets most of the next ones."""
        self.connect(40)
        self.spread()
        (pid, lost) = next((each["pid"], each["connections"]) for each in self.status()["workers"])
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: len(set(self.worker_pids()) - {pid}) == 4)
        del self.clients[-lost:]  # which of them are closed does not matter for the count
        self.connect(lost)
        spread = self.spread()
        self.record_value(f"{lost} of 40 connections come again after a death: {spread}")
        self.assertGreaterEqual(spread[0], 5)
        self.assertLessEqual(spread[-1], 15)

    def test_blocked_worker(self) -> None:
        """A blocked worker with the fewest clients does not delay new ones for long."""
        self.connect(8)
        self.spread()
        pid = self.worker_pids()[0]
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        # As many as fit into a backlog could be lost in it; those that others accept are answered.
        slowest, started = 0.0, time.monotonic()
        for _ in range(300):
            started = time.monotonic()
            self.assertEqual(self.ask("codes", "/item/7")["id"], 7)
            slowest = max(slowest, time.monotonic() - started)
        self.record_value(
            f"300 calls beside a worker that hangs: {time.monotonic() - started:.2f} s, {slowest:.3f} s"
        )
        self.assertLess(slowest, 0.5)

    def test_scaled(self) -> None:
        """Added workers take part."""
        self.connect(12)
        self.spread()
        self.assertDone("scale", "codes", "6")
        self.connect(6)
        spread = self.spread()
        self.assertEqual(len(spread), 6)
        self.assertGreaterEqual(spread[0], 1)
        self.assertLessEqual(spread[-1], 5)
