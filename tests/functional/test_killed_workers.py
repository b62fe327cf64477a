"""Tests of workers that are killed while clients call them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter

import psutil

from tests.functional.cli_process import outcome_of, start_command
from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase, full

_FOUR = '[services.codes]\napp = "codes:app"\nworkers = 4\n'


class KillsTests(OrchestratorTestCase):
    """Workers get KILL again and again."""

    config = _FOUR

    def test_random(self) -> None:
        """With a worker killed every two seconds, no call that may be retried fails."""
        running = self.start()
        load = self.load(retry=True, rate=6000)  # more would be a test of how a busy machine starts processes
        slowest = 0.0
        for _ in range(30 if full() else 4):
            started = time.monotonic()
            pid = self.random_worker()
            os.kill(pid, signal.SIGKILL)
            self.until_replaced({pid})
            slowest = max(slowest, time.monotonic() - started)
            time.sleep(max(started + 2.0 - time.monotonic(), 0.0))
        outcome = self.assert_no_call_lost(load)
        self.record_value(f"back within {slowest:.2f} s; {outcome}")
        self.assertLess(slowest, self.on_busy_machine(1.0))
        self.assertGreater(outcome.retried, 0)
        self.assertEqual(len(running.logged("signal 9")), 30 if full() else 4)

    def test_while_reloading(self) -> None:
        """During reloads with workers killed at random, also new ones, no call that may be retried fails."""
        self.configure(_FOUR + "stable_after = 0.001\n")  # or the service would be failed
        reloads, outcomes = 20 if full() else 4, Counter[int]()
        orchestrator = psutil.Process(self.start().process.pid)
        load = self.load(retry=True, rate=4000)
        killed = 0
        for _ in range(reloads):
            command = start_command(self.folder, "reload")
            while command.poll() is None:
                killed += self.kill_any(orchestrator)
                time.sleep(random.uniform(0.3, 1.0))  # noqa: S311
            outcomes[outcome_of(command).code] += 1
        outcome = self.assert_no_call_lost(load)
        self.eventually(lambda: len(self.worker_pids()) == 4)
        # A reload whose new worker was killed fails; the old ones stay.
        self.assertLessEqual(set(outcomes), {0, 4})
        self.assertGreaterEqual(killed, reloads)
        self.record_value(f"{reloads} reloads, exit codes {dict(outcomes)}, {killed} killed; {outcome}")

    def kill_any(self, orchestrator: psutil.Process) -> int:
        """Kill a worker, old or new, ready or not, unless no other is ready; returns the number killed."""
        workers = orchestrator.children()
        if sum(each["status"] == "ready" for each in self.status()["workers"]) < 2:
            return 0  # a busy machine would not have another one before the time-out of the calls
        with contextlib.suppress(psutil.NoSuchProcess):  # it exited by itself
            random.choice(workers).kill()  # noqa: S311
            return 1
        return 0

    def random_worker(self) -> int:
        """A worker at random; the more clients it has, the more likely it is chosen."""
        workers = self.status()["workers"]
        weights = [each["connections"] ** 2 for each in workers]
        pid: int = random.choices(workers, weights)[0]["pid"]  # noqa: S311
        return pid

    def until_replaced(self, gone: set[int]) -> None:
        """Wait until there are four workers without these."""
        self.eventually(lambda: len(set(self.worker_pids()) - gone) == 4)

    def test_many(self) -> None:
        """Many deaths leave no memory, descriptors or zombies behind in the orchestrator."""
        self.configure(_FOUR + "stable_after = 0.001\n")
        running = self.start()
        orchestrator = psutil.Process(running.process.pid)
        self.kill_all(running, 5)  # by then it has all that it needs
        time.sleep(1.0)  # the pipes of the dead are read for half a second
        memory, descriptors = orchestrator.memory_info().rss, orchestrator.num_fds()
        self.kill_all(running, 250 if full() else 10)
        grown = orchestrator.memory_info().rss - memory
        self.assertLess(grown, 5 << 20)
        self.eventually(lambda: orchestrator.num_fds() == descriptors, 5.0)
        self.assertEqual(len(orchestrator.children()), 4)
        self.record_value(f"{(250 if full() else 10) * 4} deaths: {grown / 1024:.0f} KiB more resident")

    def kill_all(self, running: OrchestratorProcess, times: int) -> None:
        """Kill every worker and wait until all are replaced, that number of times."""
        for _ in range(times):
            before = self.worker_pids()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            self.until_replaced(set(before))
