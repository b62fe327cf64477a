"""Tests of the control API with real processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.functional.raw_client import RawConnection

_TWO = '[services.codes]\napp = "codes:app"\nworkers = 2\n[services.other]\napp = "codes:app"\n'


class CommandTests(OrchestratorTestCase):
    """Each command returns when its operation is done."""

    config = _TWO

    def test_stop_and_start(self) -> None:
        """A stopped service refuses clients and has no process; after its start it serves."""
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 0.5})
        talk.ask(id=2, path="/item/2")
        self.assertDone("stop", "codes")
        self.assertEqual(talk.receive()["data"], 0.5)
        self.assertEqual(running.left(), ["unixsvc: other [1]"])
        self.assertRaises(FileNotFoundError, RawConnection, self.path())
        self.assertEqual(self.status()["status"], "stopped")
        self.assertRefuses(4, ["scale", "codes", "3"], "codes is stopped; start it first")
        self.assertDone("start", "codes")
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertDone("stop")
        self.assertEqual(running.left(), [])
        self.assertDone("start")
        self.assertEqual(self.ask("other", "/item/3"), {"id": 3})

    def test_restart(self) -> None:
        """Old and new workers never run together, and clients that connect meanwhile wait."""
        self.start()
        before = self.worker_pids()
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 0.5})
        talk.ask(id=2, path="/item/2")
        self.assertDone("restart", "codes")
        self.assertEqual(talk.receive()["data"], 0.5)
        self.assertEqual(set(before) & set(self.worker_pids()), set())
        self.assertEqual(len(self.worker_pids()), 2)

    def test_scale(self) -> None:
        """The number of workers is changed; a reload keeps it, unless the configured number changes."""
        running = self.start()
        self.assertDone("scale", "codes", "3")
        self.assertEqual(len(self.worker_pids()), 3)
        self.assertDone("scale", "codes", "1")
        self.eventually(lambda: len(running.left()) == 2)
        self.assertDone("reload")
        self.assertEqual(len(self.worker_pids()), 1)
        self.configure(_TWO.replace("workers = 2", "workers = 3"))
        self.assertDone("reload")
        self.assertEqual(len(self.worker_pids()), 3)

    def test_log_level(self) -> None:
        """The level changes in the orchestrator and its workers."""
        running = self.start()
        self.assertDone("log-level", "error")
        self.assertDone("reload")
        self.assertEqual(running.logged("reloaded"), [])
        self.assertDone("log-level", "info")
        self.assertDone("reload", "codes")
        running.until("reloaded codes")

    def test_unknown(self) -> None:
        """The error for an unknown service lists the known ones."""
        self.start()
        for command in ("stop", "start", "restart", "reload"):
            self.assertRefuses(4, [command, "nobody"], "there is no service 'nobody'", "codes, other")
        self.assertRefuses(4, ["scale", "nobody", "2"], "there is no service 'nobody'")

    def test_routes(self) -> None:
        """The operations are routes with a contract."""
        self.start()
        contract = self.ask("orchestrator", "/-/routes")
        paths = {(each["method"], each["path"]) for each in contract["routes"]}
        for path in ("/reload", "/restart", "/start", "/stop", "/scale"):
            self.assertIn(("POST", path), paths)

    def test_client_disconnects(self) -> None:
        """A client that disconnects does not cancel the operation."""
        self.start()
        before = self.worker_pids()
        with self.talk("orchestrator") as talk:
            talk.send(id=1, method="POST", path="/restart", data={"service": "codes"})
            talk.ask(id=2, path="/-/ping")
        self.eventually(lambda: len(self.worker_pids()) == 2 and not set(before) & set(self.worker_pids()))


class FailureTests(OrchestratorTestCase):
    """A service whose workers die again and again."""

    config = """
[services.codes]
app = "fails_when_doomed:app"
start_interval = 60
[services.other]
app = "codes:app"
"""

    def doom(self) -> None:
        """Make all further starts fail; the running worker is stable."""
        self.eventually(lambda: self.status()["workers"][0]["uptime"] > 4.0)
        Path(self.folder, "doomed").touch()
        os.kill(self.worker_pids()[0], signal.SIGKILL)

    def test_failed(self) -> None:
        """After five early deaths the service has failed and refuses clients; it can be started again."""
        running = self.start()
        other = self.worker_pids("other")
        self.doom()
        self.eventually(lambda: self.status()["status"] == "failed")
        reason = f"exited with code 3: {self.folder}/fails_when_doomed.py:11: RuntimeError: doomed"
        self.assertEqual(len(running.logged(reason)), 5)
        running.until("has failed and is not restarted", "RuntimeError: doomed")
        self.assertIn("RuntimeError: doomed", self.status()["problem"])
        self.assertRaises(FileNotFoundError, RawConnection, self.path())
        self.assertEqual(self.worker_pids("other"), other)
        self.assertRefuses(4, ["start", "codes"], "services.codes: cannot start", "RuntimeError: doomed")
        Path(self.folder, "doomed").unlink()
        self.assertDone("start", "codes")
        self.assertEqual(self.ask("codes", "/pid"), self.worker_pids()[0])
        self.assertEqual((self.status()["status"], self.status()["problem"]), ("ready", ""))

    def test_reload_revives(self) -> None:
        """A reload starts a failed service."""
        self.start()
        self.doom()
        self.eventually(lambda: self.status()["status"] == "failed")
        Path(self.folder, "doomed").unlink()
        self.assertDone("reload")
        self.assertEqual(self.ask("codes", "/pid"), self.worker_pids()[0])

    def test_essential(self) -> None:
        """When an essential service has failed, the others drain, and the exit code is 4."""
        self.configure(self.config.replace("start_interval", "essential = true\nstart_interval"))
        running = self.start()
        talk = self.talk("other")
        talk.ask(id=1, path="/-/ping")  # with its token: a silent connection would be closed
        self.doom()
        running.until("has failed")
        self.assertEqual(talk.rest(), b"")
        self.assertEqual(running.wait(), 4)
        self.assertRegex(running.errors, r"^unixsvc: services.codes: .*RuntimeError: doomed\n$")
        self.assertEqual(running.left(), [])


class DependencyTests(OrchestratorTestCase):
    """Services that depend on each other."""

    config = """
[services.web]
app = "codes:app"
depends_on = ["store"]
[services.store]
app = "slow:app"
[services.codes]
app = "codes:app"
"""

    def setUp(self) -> None:
        """Make an application that starts slowly."""
        super().setUp()
        Path(self.folder, "slow.py").write_text("import time\ntime.sleep(0.7)\nfrom codes import app\n")

    def test_order(self) -> None:
        """A service starts when its dependency is ready; independent services do not wait."""
        running = self.start()
        order = [each["namespace"] for each in running.logged("is ready")]
        self.assertEqual(order, ["codes", "store", "web"])

    def test_reversed(self) -> None:
        """A dependency serves until its dependents have stopped."""
        running = self.start()
        talk = self.talk("web")
        talk.send(id=1, path="/wait", data={"seconds": 1.0})
        talk.ask(id=2, path="/item/2")
        running.signal(signal.SIGTERM)
        running.until("stopping")
        started = time.monotonic()
        while time.monotonic() < started + 0.5:
            self.assertEqual(self.ask("store", "/item/3"), {"id": 3})
        self.assertEqual(talk.receive()["data"], 1.0)
        self.assertEqual(running.wait(), 0)

    def test_cycle(self) -> None:
        """A cycle is an error in the configuration."""
        self.configure(self.config.replace("[services.store]", '[services.store]\ndepends_on = ["web"]'))
        running = self.start(ready=False)
        self.assertEqual(running.wait(), 2)
        self.assertIn("depend on each other", running.errors)
        self.assertEqual(running.errors.count("\n"), 1)
