"""What is left when the orchestrator is killed: nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import RunningTestCase

_CONFIG = """
[services.codes]
app = "codes:app"
workers = 2
[services.versioned]
app = "versioned:app"
drain_timeout = 1.0
"""


class OrphanTests(RunningTestCase):
    """The orchestrator is killed with -9."""

    config = _CONFIG

    def setUp(self) -> None:
        """Have a version."""
        super().setUp()
        Path(self.folder, "mode").write_text("1")

    def test_idle(self) -> None:
        """Idle workers are gone within a second, also where clients hold connections; the next one starts."""
        running = self.start()
        told, silent = self.talk(), self.talk()
        told.ask(id=1, path="/item/1")
        running.signal(signal.SIGKILL)
        running.process.wait()
        suspended = time.monotonic()
        again = self.start()
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.eventually(lambda: running.left() == [], 2.0)
        self.assertLess(time.monotonic() - suspended, 2.0)
        self.assertEqual((told.rest(), silent.rest()), (b"", b""))
        again.signal(signal.SIGTERM)
        self.assertEqual(again.wait(), 0)

    def test_under_load(self) -> None:
        """While clients ask, too: what they have asked is answered, and they go when they are told to."""
        running = self.start()
        load = self.load()
        running.signal(signal.SIGKILL)
        running.process.wait()
        self.eventually(lambda: running.left() == [], 2.0)
        again = self.start()
        self.assertNothingLost(load)
        again.signal(signal.SIGTERM)
        self.assertEqual(again.wait(), 0)

    def test_answers(self) -> None:
        """A worker that has something to answer does so, and is gone within a second."""
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 1.5})
        talk.ask(id=2, path="/item/2")
        running.signal(signal.SIGKILL)
        self.assertEqual(talk.receive(), {"id": 1, "code": 200, "data": 1.5})
        self.eventually(lambda: running.left() == [], 1.0)

    def test_blocked(self) -> None:
        """A worker whose event loop stands still is gone after its drain time-out."""
        running = self.start()
        talk = self.talk("versioned")
        talk.ask(id=1, path="/version")
        talk.send(id=2, method="POST", path="/stand-still")
        time.sleep(0.2)
        running.signal(signal.SIGKILL)
        running.process.wait()
        suspended = time.monotonic()
        self.eventually(lambda: running.left() == [], 5.0)
        self.assertLess(time.monotonic() - suspended, 1.0 + 1.0)

    def test_starting(self) -> None:
        """A worker that hangs in its import has nothing to answer, and is gone at once."""
        Path(self.folder, "mode").write_text("hang")
        running = self.start(ready=False)
        running.until("[2] (pid", "is ready")
        self.eventually(lambda: "unixsvc: versioned [1]" in running.left())
        time.sleep(0.5)  # it has begun to import by then
        running.signal(signal.SIGKILL)
        running.process.wait()
        self.eventually(lambda: running.left() == [], 2.0)

    def test_told_while_starting(self) -> None:
        """A worker that is told to end while it loads its application ends at once."""
        Path(self.folder, "mode").write_text("hang")
        running = self.start(ready=False)
        running.until("[2] (pid", "is ready")
        self.eventually(lambda: "unixsvc: versioned [1]" in running.left())
        time.sleep(0.5)  # as above
        for each in psutil.Process(running.process.pid).children():
            if "versioned" in " ".join(each.cmdline()):
                os.kill(each.pid, signal.SIGTERM)
        running.until("was killed by signal 15")
