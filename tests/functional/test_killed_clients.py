"""Many callers, few connections, and workers that are killed at random."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.functional.client_drivers import TwistedDriver
from tests.functional.orchestrator_process import OrchestratorTestCase, full
from unixsvc import ServiceError

_CALLS = 100_000 if full() else 12_000
_CALLERS = 200
_TIMEOUT = 20.0


class KilledTests(OrchestratorTestCase):
    """One Twisted client with 4 connections and 200 callers."""

    # Such deaths are no reason to give the service up, or to hold a new worker back.
    config = '[services.counting]\napp = "counting:app"\nworkers = 4\nstable_after = 0.01\n'

    def test_killed(self) -> None:
        """Every call ends with the right answer or a typed error, in time; nothing is run twice."""
        self.start()
        driver = TwistedDriver(
            "counting",
            socket_dir=os.path.join(self.folder, "run"),
            token=self.token(),
            connections=4,
            timeout=_TIMEOUT,
        )
        self.addCleanup(driver.close)
        over = threading.Event()
        killer = threading.Thread(target=self.kill_at_random, args=(over,))
        killer.start()
        try:
            outcomes = self.call_all(driver)
        finally:
            over.set()
            killer.join()
        self.check(outcomes)

    def call_all(self, driver: TwistedDriver) -> dict[str, tuple[Any, float]]:
        """Of each call, by its name: its result or error, and how long it took."""
        outcomes: dict[str, tuple[Any, float]] = {}
        gate = threading.Semaphore(_CALLERS)
        last: list[Future[Any]] = []
        for number in range(_CALLS):
            kind = "gkp"[number % 3]
            name = f"{kind}{number}"
            gate.acquire()
            started = time.monotonic()
            if kind == "g":
                future = driver.start_call("GET", "/-/ping")
            else:
                options = {"idempotency_key": name} if kind == "k" else {}
                future = driver.start_call("POST", "/run", {"name": name}, **options)

            def done(future: Future[Any], name: str = name, started: float = started) -> None:
                outcomes[name] = (future.exception() or future.result(), time.monotonic() - started)
                gate.release()

            future.add_done_callback(done)
            last = [*last[-_CALLERS:], future]
        for each in last:
            each.exception(60)
        return outcomes

    def kill_at_random(self, over: threading.Event) -> None:
        """Kill a worker every now and then."""
        while not over.wait(random.uniform(0.05, 0.3)):  # noqa: S311
            pids = self.worker_pids("counting")
            if len(pids) > 1:  # with none, the service would soon have failed
                os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311

    def check(self, outcomes: dict[str, tuple[Any, float]]) -> None:
        """Look at every one."""
        runs = Counter(Path(self.folder, "runs").read_text().split())
        kinds: Counter[str] = Counter()
        self.assertEqual(len(outcomes), _CALLS)
        for name, (outcome, took) in outcomes.items():
            self.assertLess(took, _TIMEOUT + 1.0)
            if isinstance(outcome, Exception):
                self.assertIsInstance(outcome, ServiceError, name)
                self.assertLessEqual(runs[name], 1, name)
                kinds[f"{name[0]} {type(outcome).__name__}"] += 1
            elif name[0] == "g":
                self.assertEqual(outcome, "pong")
            else:
                self.assertEqual((outcome["name"], runs[name]), (name, 1))
        slowest = max(took for _, took in outcomes.values())
        self.record_value(f"{len(outcomes)} calls, slowest {slowest:.2f} s, errors: {dict(kinds)}")
        self.assertEqual(max(runs.values()), 1)
