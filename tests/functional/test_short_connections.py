"""Tests of several workers and clients that open a connection for each request."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

from tests.functional.orchestrator_process import OrchestratorTestCase


class ShortConnectionTests(OrchestratorTestCase):
    """Four workers, each of which has found out that connections are short."""

    config = '[services.codes]\napp = "codes:app"\nworkers = 4\n'

    def setUp(self) -> None:
        """Start the workers, and serve connections for longer than they need to find out."""
        super().setUp()
        self.start()
        self.message = json.dumps({"path": "/item/7", "auth_token": self.token()}).encode()
        self.call_for(0.6)

    def call(self) -> float:
        """Send a request on a connection that the server closes; the duration in seconds."""
        started = time.monotonic()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(self.path())
            client.sendall(self.message)
            reply = b""
            while data := client.recv(4096):
                reply += data
        if not reply:
            raise ConnectionError("closed without a reply")
        self.assertEqual(json.loads(reply)["id"], 7)
        return time.monotonic() - started

    def call_for(self, seconds: float) -> list[float]:
        """Call with short pauses for a time; the durations."""
        end, durations = time.monotonic() + seconds, list[float]()
        while time.monotonic() < end:
            durations.append(self.call())
            time.sleep(0.002)
        return durations

    def waits(self) -> int:
        """How often the workers have begun to wait for something."""
        lines = [
            line
            for pid in self.worker_pids()
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        ]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))

    def busiest(self, number: int = 1) -> list[int]:
        """The workers that have served most requests."""
        workers = sorted(self.status()["workers"], key=lambda each: -int(each["requests"]))
        return [int(each["pid"]) for each in workers[:number]]

    def test_wake_ups(self) -> None:
        """A client wakes one worker, not all of them."""
        started, before = time.monotonic(), self.waits()
        calls = len(self.call_for(0.6))
        # Those that are not needed look for clients every 10 ms.
        standing_by = max(0, 4 - len(os.sched_getaffinity(0)))
        looks = (time.monotonic() - started) * 100 * standing_by
        waits = (self.waits() - before - looks) / calls
        self.record_value(f"waits of four workers for each connection: {waits:.2f} ({calls} calls)")
        self.assertLess(waits, 2.8)  # if all are woken, it is three to four

    def test_stopped_workers(self) -> None:
        """While the workers that serve most clients are stopped, others accept without a delay."""
        for pid in self.busiest(2):
            os.kill(pid, signal.SIGSTOP)
            self.addCleanup(os.kill, pid, signal.SIGCONT)
        durations = self.call_for(0.6)
        self.record_value(f"{len(durations)} calls beside stopped workers, slowest {max(durations):.3f} s")
        self.assertLess(max(durations), 0.5)

    def test_killed_worker(self) -> None:
        """When workers are killed, only clients that they have accepted lose their connections."""
        stop, lost, durations = threading.Event(), list[int](), list[float]()

        def call() -> None:
            while not stop.is_set():
                try:
                    durations.append(self.call())
                except ConnectionError:
                    lost.append(1)

        threads = [threading.Thread(target=call) for _ in range(3)]
        for each in threads:
            each.start()
        for _ in range(2):
            time.sleep(0.3)
            os.kill(self.busiest()[0], signal.SIGKILL)
        time.sleep(0.3)
        stop.set()
        for each in threads:
            each.join()
        self.record_value(f"{len(durations)} calls, {len(lost)} lost, slowest {max(durations):.3f} s")
        self.assertLessEqual(len(lost), 2 * len(threads))
        self.assertLess(max(durations), 5)

    def test_even_spread(self) -> None:
        """Clients that stay are spread evenly, also those that come between short connections."""
        stop, clients = threading.Event(), contextlib.ExitStack()
        self.addCleanup(clients.close)

        def call() -> None:
            while not stop.is_set():
                self.call()

        threads = [threading.Thread(target=call) for _ in range(2)]
        for each in threads:
            each.start()
        try:
            for _ in range(40):
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(self.path())
                time.sleep(0.005)
        finally:
            stop.set()
            for each in threads:
                each.join()
        self.eventually(lambda: sum(self.spread()) == 40)
        self.record_value(f"40 connections over four workers, between short ones: {self.spread()}")
        self.assertLessEqual(self.spread()[-1], 20)
        self.assertGreaterEqual(self.spread()[0], 3)

    def spread(self) -> list[int]:
        """The connections of each worker, in ascending order."""
        return sorted(each["connections"] for each in self.status()["workers"])
