from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from tests.functional.bench_case import TIMEOUT, BenchCase

_FAILING = """\
import sys, tempfile
from pathlib import Path
from bench.processes import BenchError, ProcessGroup
with tempfile.TemporaryDirectory() as folder, ProcessGroup(folder) as processes:
    child = processes.start("it", [sys.executable, "-c", "print('no such luck'); exit(7)"], Path(folder))
    try:
        child.wait_until(lambda: False)
    except BenchError as error:
        print(error)
"""


class BenchTestCase(BenchCase):
    def test_ratios(self) -> None:
        """A request costs less than eight times the floor, and with many routes less than twice as much.

        The test compares CPU time, which depends less on the load of the machine than requests per second.
        Other work on the machine can only make it worse, so the best of three runs counts.
        ``python -m bench compare`` finds smaller changes.
        """
        for last in (False, False, True):
            self.run_python("-m", "bench", "--smoke", "--json", "result.json")
            result = json.loads(Path(self.folder, "result.json").read_text())
            self.assertTrue(all(each["value"] > 0 for each in result["rows"]))
            self.assertTrue(result["machine"]["cpu"])
            self.assertNothingLeft()
            cost = {(each["load"], each["system"]): each["cost"] for each in result["rows"]}
            ours, floor = (cost["50 connections", system] for system in ("unixsvc", "floor"))
            few, many = (cost[f"{number} routes, 50 connections", "unixsvc"] for number in ("10", "10,000"))
            if last:
                self.assertLess(ours, floor * 8)
                self.assertLess(many, few * 2)
            elif ours < floor * 8 and many < few * 2:
                break

    def test_interrupted(self) -> None:
        """Ctrl-C ends all child processes and removes all temporary files."""
        process = self.start("-m", "bench", "connections", "--seconds", "60")
        started = self.descendants(process, "bench.servers.amp")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 130)
        self.assertEqual([each for each in started if each.is_running()], [])
        self.assertNothingLeft()

    def descendants(self, process: subprocess.Popen[str], last: str) -> list[psutil.Process]:
        """All descendants of a process, once the one with this text in its command is running."""
        while True:
            self.assertIsNone(process.poll(), "the process exited by itself")
            found = psutil.Process(process.pid).children(recursive=True)
            if any(last in self._command(each) for each in found):
                return found
            time.sleep(0.01)

    def _command(self, process: psutil.Process) -> list[str]:
        try:
            return process.cmdline()
        except psutil.NoSuchProcess:
            return []

    def test_a_child_fails(self) -> None:
        """The error for a child process that fails contains its output."""
        out = self.run_python("-c", _FAILING)
        self.assertIn("exited with code 7", out)
        self.assertIn("no such luck", out)
        self.assertNothingLeft()

    def test_list(self) -> None:
        """``--list`` lists the parts and the systems, and starts none."""
        out = self.run_python("-m", "bench", "--list")
        for each in ("connections", "memory", "grpc"):
            self.assertIn(each, out)

    def test_saved_results(self) -> None:
        """``--from`` reads a result that ``--json`` wrote, and draws it."""
        row: dict[str, Any] = {
            "part": "connections", "load": "one & all", "system": "unixsvc", "unit": "requests/s",
            "less": False, "value": 1234.5, "each": [1234.5], "own": 0.1, "cost": 9.5, "detail": {},
        }  # fmt: skip
        machine = {"cpu": "a", "cores": 1, "kernel": "b", "python": "c", "libraries": {}}
        options = {"seconds": 1, "rounds": 1, "requests": 1, "smoke": False}
        kept = {"machine": machine, "options": options, "rows": [row], "skipped": {}}
        Path(self.folder, "kept.json").write_text(json.dumps(kept))
        written = ("--plot", "it.svg", "--rst", "it.rst")
        self.assertIn("1,23", self.run_python("-m", "bench", "--from", "kept.json", *written))
        self.assertIn("one &amp; all", Path(self.folder, "it.svg").read_text())
        self.assertIn(" * - one & all\n     - 1,23", Path(self.folder, "it.rst").read_text())
