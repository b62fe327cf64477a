"""Tests of stuck workers, and of recycling."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase

_TWO = '[services.codes]\napp = "versioned:app"\nworkers = 2\n'


class WatchdogTests(OrchestratorTestCase):
    """A worker with a blocked event loop is replaced; others are not affected."""

    config = _TWO + 'watchdog = 1.0\n[services.other]\napp = "codes:app"\n'

    def setUp(self) -> None:
        """Write the version."""
        super().setUp()
        Path(self.folder, "mode").write_text("1")

    def assertReplaced(self, running: OrchestratorProcess, pid: int, started: float) -> None:
        """A worker is replaced within a second of the watchdog time, and others are unharmed."""
        others = set(self.worker_pids()) - {pid}, self.worker_pids("other")
        self.eventually(lambda: pid not in self.worker_pids() and len(self.worker_pids()) == 2)
        self.assertLess(time.monotonic() - started, self.on_busy_machine(1.0 + 1.0))
        self.eventually(lambda: not psutil.pid_exists(pid))
        self.assertLess(others[0], set(self.worker_pids()))
        self.assertEqual(self.worker_pids("other"), others[1])
        running.until(f"(pid {pid}) is silent", "watchdog")

    def test_stopped(self) -> None:
        """A worker that gets STOP is replaced."""
        running = self.start()
        load = self.load("other", connections=2, rate=200)
        pid = self.worker_pids()[0]
        started = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        self.assertReplaced(running, pid, started)
        outcome = self.assert_no_call_lost(load)
        self.assertLess(outcome.slowest, 0.5)

    def test_endless_loop(self) -> None:
        """A worker in an endless loop is replaced; the log has its stack, down to the line."""
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/version")
        talk.receive()
        started = time.monotonic()
        talk.send(id=2, method="POST", path="/stand-still")
        self.eventually(lambda: len(self.worker_pids()) < 2 or time.monotonic() > started + 0.9)
        running.until("is silent", "watchdog")
        self.eventually(lambda: len(self.worker_pids()) == 2)
        self.assertLess(time.monotonic() - started, self.on_busy_machine(1.0 + 1.0))
        running.until("versioned.py", "stand_still")
        self.assertEqual(running.logged("is silent")[1:], [])

    def test_busy_orchestrator(self) -> None:
        """After a stall of the orchestrator, no worker is replaced."""
        running = self.start()
        before = self.worker_pids()
        running.signal(signal.SIGSTOP)
        time.sleep(2.5)
        running.signal(signal.SIGCONT)
        self.assertEqual(self.worker_pids(), before)
        time.sleep(1.5)
        self.assertEqual(self.worker_pids(), before)
        self.assertEqual(running.logged("is silent"), [])


class RecyclingTests(OrchestratorTestCase):
    """A worker is recycled once its successor is ready."""

    def setUp(self) -> None:
        """Write the version."""
        super().setUp()
        Path(self.folder, "mode").write_text("1")

    def recycled(self, rule: str) -> OrchestratorProcess:
        """Run with a recycling limit."""
        self.configure(_TWO + f"watchdog = 0.4\n{rule}\n")
        return self.start()

    def test_requests(self) -> None:
        """Workers are recycled after their number of requests, under load and without a lost call."""
        running = self.recycled("max_requests = 2000")
        load = self.load()
        running.until("max_requests is 2000", times=3)
        self.assert_no_call_lost(load)

    def test_memory(self) -> None:
        """A worker that uses too much memory is recycled; the other one stays."""
        running = self.recycled("max_memory = 150_000_000")
        before = self.worker_pids()
        with self.talk() as talk:
            talk.ask(id=1, method="POST", path="/leak", data={"size": 150_000_000})
        running.until("max_memory is 1.5e+08")
        self.eventually(lambda: set(self.worker_pids()) != set(before) and len(self.worker_pids()) == 2)
        self.assertEqual(len(set(self.worker_pids()) & set(before)), 1)

    def test_age(self) -> None:
        """Workers are recycled for their age."""
        self.recycled("max_age = 1")
        before = self.worker_pids()
        self.eventually(lambda: not set(self.worker_pids()) & set(before))
        self.assertEqual(self.ask("codes", "/version"), "1")
