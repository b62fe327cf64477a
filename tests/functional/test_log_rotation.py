"""Other programs rotate the log file of a real orchestrator."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.functional.logrotate import Logrotate
from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase


class RotationTests(OrchestratorTestCase):
    """Each test writes numbered events, and finds each of them in one file."""

    config = '[services.flooding]\napp = "flooding:app"\n[log]\nfile = "log/shop.log"\n'

    def setUp(self) -> None:
        """Make a directory for the log."""
        super().setUp()
        self.log = Path(self.folder, "log", "shop.log")
        self.log.parent.mkdir()
        self.numbers = 0

    def start_with_file(self) -> OrchestratorProcess:
        """Start an orchestrator."""
        running = self.start(ready=False)
        self.eventually(lambda: self.log.exists() and "ready: " in self.log.read_text())
        return running

    def write(self) -> None:
        """Write the next event, and wait until it is in the file."""
        number, self.numbers = self.numbers, self.numbers + 1
        self.assertEqual(self.ask("flooding", "/note", data={"number": number}), number)
        self.eventually(lambda: self.log.exists() and number in self.noted(self.log))

    def noted(self, path: Path) -> list[int]:
        """The numbers of the events in a file, all of whose lines are whole events."""
        events: list[dict[str, Any]] = [json.loads(line) for line in path.read_bytes().splitlines()]
        found = [each["message"].partition("note ") for each in events]
        return [int(number) for _, note, number in found if note]

    def rotated(self, name: str) -> Path:
        """Rename the file."""
        return self.log.rename(self.log.with_name(name))

    def test_signals(self) -> None:
        """After the file was renamed, USR1 and HUP open it again; after it was truncated, it has no gap."""
        running = self.start_with_file()
        workers = self.worker_pids("flooding")
        self.write()
        first = self.rotated("first")
        os.killpg(running.process.pid, signal.SIGUSR1)  # every process, as "systemctl kill" does by default
        self.eventually(self.log.exists)
        self.write()
        self.assertEqual(self.worker_pids("flooding"), workers)
        second = self.rotated("second")
        running.signal(signal.SIGHUP)
        self.eventually(self.log.exists)
        self.write()
        self.assertEqual([self.noted(each) for each in (first, second, self.log)], [[0], [1], [2]])
        os.truncate(self.log, 0)  # as by copytruncate
        self.write()
        self.assertEqual(self.noted(self.log)[-1], 3)
        self.assertNotIn(b"\0", self.log.read_bytes())
        running.signal(signal.SIGTERM)
        self.assertEqual((running.wait(), running.errors), (0, ""))

    def test_logrotate(self) -> None:
        """Debian's logrotate rotates it with the configuration in deploy/."""
        running = self.start_with_file()
        logrotate = Logrotate(self.folder, str(self.log), running.process.pid)
        for _ in range(2):
            self.write()
            logrotate.run()
            self.eventually(self.log.exists)
        self.write()
        self.assertEqual((self.noted(self.log), self.noted(self.log.with_name("shop.log.1"))), ([2], [1]))
        self.assertTrue(self.log.with_name("shop.log.2.gz").exists())
        self.assertIsNone(running.process.poll())
