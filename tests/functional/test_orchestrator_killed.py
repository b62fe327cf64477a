"""Tests of workers whose orchestrator is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import OrchestratorTestCase

_CONFIG = """
[services.codes]
app = "codes:app"
workers = 2
[services.versioned]
app = "versioned:app"
drain_timeout = 1.0
"""


class OrphanTests(OrchestratorTestCase):
    """The orchestrator gets KILL."""

    config = _CONFIG

    def setUp(self) -> None:
        """Write the version."""
        super().setUp()
        Path(self.folder, "mode").write_text("1")

    def test_idle(self) -> None:
        """Idle workers exit within a second, even with connected clients; a new orchestrator starts."""
        running = self.start()
        notified, silent = self.talk(), self.talk()
        notified.ask(id=1, path="/item/1")
        running.signal(signal.SIGKILL)
        running.process.wait()
        started = time.monotonic()
        again = self.start()
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.eventually(lambda: running.left() == [], 2.0)
        self.assertLess(time.monotonic() - started, self.on_busy_machine(2.0))
        self.assertEqual((notified.rest(), silent.rest()), (b"", b""))
        again.signal(signal.SIGTERM)
        self.assertEqual(again.wait(), 0)

    def test_under_load(self) -> None:
        """Under load, pending requests are answered, and clients get a goaway."""
        running = self.start()
        load = self.load()
        running.signal(signal.SIGKILL)
        running.process.wait()
        self.eventually(lambda: running.left() == [], 2.0)
        again = self.start()
        self.assert_no_call_lost(load)
        again.signal(signal.SIGTERM)
        self.assertEqual(again.wait(), 0)

    def test_pending_request(self) -> None:
        """A worker with a pending request answers it, and exits within a second."""
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 1.5})
        talk.ask(id=2, path="/item/2")
        running.signal(signal.SIGKILL)
        self.assertEqual(talk.receive(), {"id": 1, "code": 200, "data": 1.5})
        self.eventually(lambda: running.left() == [], 1.0)

    def test_blocked(self) -> None:
        """A worker whose event loop is blocked exits after its drain timeout."""
        running = self.start()
        talk = self.talk("versioned")
        talk.ask(id=1, path="/version")
        talk.send(id=2, method="POST", path="/stand-still")
        time.sleep(0.2)
        running.signal(signal.SIGKILL)
        running.process.wait()
        started = time.monotonic()
        self.eventually(lambda: running.left() == [], 5.0)
        self.assertLess(time.monotonic() - started, self.on_busy_machine(1.0 + 1.0))

    def test_starting(self) -> None:
        """A worker that hangs in an import exits at once."""
        Path(self.folder, "mode").write_text("hang")
        running = self.start(ready=False)
        running.until("[2] (pid", "is ready")
        self.eventually(lambda: "unixsvc: versioned [1]" in running.left())
        time.sleep(0.5)  # it has begun to import by then
        running.signal(signal.SIGKILL)
        running.process.wait()
        self.eventually(lambda: running.left() == [], 2.0)

    def test_term_while_starting(self) -> None:
        """A worker that gets TERM during an import exits at once."""
        Path(self.folder, "mode").write_text("hang")
        running = self.start(ready=False)
        running.until("[2] (pid", "is ready")
        self.eventually(lambda: "unixsvc: versioned [1]" in running.left())
        time.sleep(0.5)  # as above
        for each in psutil.Process(running.process.pid).children():
            if "versioned" in " ".join(each.cmdline()):
                os.kill(each.pid, signal.SIGTERM)
        running.until("was killed by signal 15")
