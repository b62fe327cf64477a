"""Schedules whose workers die, and that are reloaded."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase

_INTERVAL = timedelta(milliseconds=10)


class SchedulesTests(OrchestratorTestCase):
    """Two schedules with a tick every 10 ms, in two workers."""

    config = '[services.scheduled]\napp = "scheduled:app"\nworkers = 2\n'

    def schedule(self, name: str) -> Any:
        """The status of a schedule."""
        return next(each for each in self.status("scheduled")["schedules"] if each["name"] == name)

    def until_runs(self, count: int) -> None:
        """Wait until each schedule had that number of runs."""
        self.eventually(lambda: min(self.schedule(name)["runs"] for name in ("once", "repeated")) >= count)

    def runs(self, name: str) -> list[tuple[datetime, int]]:
        """The ticks of all runs with the number of the attempt, by time."""
        lines = Path(self.folder, f"{name}.runs").read_text().splitlines()
        return sorted((datetime.fromisoformat(line.split()[0]), int(line.split()[1])) for line in lines)

    def assert_all(self, ticks: list[datetime]) -> None:
        """Between the first and the last tick none is missing."""
        for earlier, later in pairwise(ticks):
            self.assertLess(abs(later - earlier - _INTERVAL), timedelta(milliseconds=1), f"after {earlier}")

    def kill_worker(self) -> None:
        """Kill a worker, and wait until there are two again."""
        victim = self.worker_pids("scheduled")[0]
        os.kill(victim, signal.SIGKILL)
        self.eventually(lambda: len({*self.worker_pids("scheduled")} - {victim}) == 2)

    def test_deaths_and_reload(self) -> None:
        """Of 1,000 ticks over three deaths of workers and a reload none is lost, and none is run twice."""
        running = self.start()
        self.until_runs(100)
        self.kill_worker()
        Path(self.folder, "die").touch()  # in the middle of a run
        running.until("was interrupted")
        self.eventually(lambda: len(self.worker_pids("scheduled")) == 2)
        before = self.worker_pids("scheduled")
        self.assertDone("reload", "scheduled")
        self.assertEqual({*before} & {*self.worker_pids("scheduled")}, set())
        self.kill_worker()
        self.until_runs(500)
        once, repeated = self.schedule("once"), self.schedule("repeated")
        self.assertDone("stop", "scheduled")
        self.assertEqual((once["missed"], repeated["missed"], once["failures"]), (0, 0, 0))

        # At most once: what was interrupted is counted and logged, and may have been done or not.
        found = [tick for tick, _ in self.runs("once")]
        interrupted = [event["message"] for event in running.logged("schedule once", "interrupted")]
        logged = {datetime.fromisoformat(text.split(" for ")[1].split()[0]) for text in interrupted}
        self.assertEqual(len(found), len({*found}))
        self.assert_all(sorted({*found} | logged))
        self.assertGreaterEqual(len(logged), 1)
        self.assertLessEqual(len(logged), 3)

        # At least once: each tick has a run, and a second one only if the first was interrupted.
        attempts = self.runs("repeated")
        self.assert_all(sorted({tick for tick, _ in attempts}))
        self.assertEqual(max(Counter(attempts).values()), 1)
        self.assertLessEqual(sum(attempt > 1 for _, attempt in attempts), repeated["interrupted"])
        self.assertGreaterEqual(len(found) + len({tick for tick, _ in attempts}), 1000)
