"""``unixsvc dev`` with real processes."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import OrchestratorTestCase

_TIMEOUT = 60.0  # seconds; only reached if something is broken
_APP = """from unixsvc import GET, App

def version() -> int:
    return 1

app = App([GET("/version", version)])
"""


class DevTests(OrchestratorTestCase):
    """Starts the command, and reads what it prints."""

    # Only with the table [dev] there is such an application.
    config = '[services.shop]\napp = "none:app"\n[dev.services.shop]\napp = "shop:app"\n'

    def setUp(self) -> None:
        """Write an application."""
        super().setUp()
        self.app = Path(self.folder, "shop.py")
        self.app.write_text(_APP)

    def start_dev(self, *arguments: str) -> None:
        """Start the command, and wait until it has printed the address of the service."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "unixsvc", "dev", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=self._read)
        reader.start()
        self.addCleanup(self._end, reader)
        self.until("shop: ", "service_shop.sock")
        self.others = psutil.Process(self.process.pid).children(recursive=True)
        self.assertEqual(len(self.others), 2)  # the orchestrator and a worker

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _end(self, reader: threading.Thread) -> None:
        self.process.kill()  # the orchestrator stops then
        reader.join()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def until(self, *words: str) -> str:
        """Wait for a line with all these words."""
        seen = []
        while (line := self.lines.get(timeout=_TIMEOUT)) is not None:
            seen.append(line)
            if all(word in line for word in words):
                return line
        raise AssertionError(f"never printed {words}: {seen}")

    def test_save(self) -> None:
        """Saved code serves; broken code is named by file and line, and the old code serves; Ctrl-C stops."""
        self.start_dev()
        self.assertEqual(self.ask("shop", "/version"), 1)
        self.app.write_text(_APP.replace("return 1", "return 2"))
        self.until("the new code of all services serves")
        self.assertEqual(self.ask("shop", "/version"), 2)
        self.app.write_text(_APP + "oops =\n")
        line = self.until("the reload has failed", "start: shop.py:7: SyntaxError: invalid syntax; the old")
        self.assertNotIn("\x1b", line)
        self.assertEqual(self.ask("shop", "/version"), 2)
        workers = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGINT)
        self.assertEqual(self.process.wait(_TIMEOUT), 0)
        self.assertEqual([each for each in workers if each.is_running()], [])

    def test_killed(self) -> None:
        """If the command is killed, the orchestrator and its workers end; it needs no watch for its log."""
        self.start_dev("--no-reload")
        self.process.kill()
        self.eventually(lambda: not any(each.is_running() for each in self.others))
