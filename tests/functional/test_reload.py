"""Tests of reloads under load."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase, full

_TWO = '[services.codes]\napp = "versioned:app"\nworkers = 2\n'


class ReloadTestCase(OrchestratorTestCase):
    """A test with an application that has versions."""

    config = _TWO

    def setUp(self) -> None:
        """Write the first version."""
        super().setUp()
        self.set_mode("1")

    def set_mode(self, mode: str) -> None:
        """Write another version."""
        Path(self.folder, "mode").write_text(mode)

    def versions(self) -> set[str]:
        """The versions that answer."""
        return {self.ask("codes", "/version") for _ in range(20)}


class UnderLoadTests(ReloadTestCase):
    """No call is lost."""

    def test_reloads(self) -> None:
        """During reloads with 20 clients, every call is answered, and new workers answer after each."""
        self.start()
        load = self.load()
        for number in range(2, 22 if full() else 7):
            self.set_mode(str(number))
            self.assertDone("reload")
            self.assertEqual(self.versions(), {str(number)})
        outcome = self.assert_no_call_lost(load)
        self.assertGreaterEqual(outcome.goaways, 20)
        self.record_value(str(outcome))
        if full():
            self.assertGreater(outcome.rate, 5000)

    def test_many_signals(self) -> None:
        """A hundred HUPs in a second leave the configured workers, no zombies and no descriptors."""
        running = self.start()
        load = self.load()
        orchestrator = psutil.Process(running.process.pid)
        before = orchestrator.num_fds()
        for _ in range(100):
            running.signal(signal.SIGHUP)
            time.sleep(0.008)
        running.until("reloaded all services")
        self.eventually(lambda: len(running.logged("reloaded")) == len(running.logged("reloading")))
        self.assertLess(len(running.logged("reloaded")), 20)
        self.assert_no_call_lost(load)
        # One that has just ended is a zombie until the orchestrator looks, which it does at once.
        self.eventually(lambda: len(running.left()) == len(orchestrator.children()) == 2, 5.0)
        alive = [each for each in orchestrator.children() if each.status() != psutil.STATUS_ZOMBIE]
        self.assertEqual(sorted(each.pid for each in alive), sorted(self.worker_pids()))
        self.eventually(lambda: orchestrator.num_fds() == before, 5.0)


class RollbackTests(ReloadTestCase):
    """New versions that cannot serve."""

    config = _TWO

    def assertRolledBack(self, mode: str, *words: str, settings: str = "") -> None:
        """A new version is rolled back: the command and the status say why, the old workers stay."""
        running = self.start()
        before = self.worker_pids()
        load = self.load()
        self.set_mode(mode)
        self.configure(self.config + settings)
        self.assertRefuses(4, ["reload"], "services.codes", "the old ones stay", *words)
        self.assert_no_call_lost(load)
        self.assertEqual(self.worker_pids(), before)
        self.assertEqual(self.versions(), {"1"})
        for word in words:
            self.assertIn(word, self.status()["problem"])
        running.until("the reload has failed", *words)
        self.set_mode("2")
        self.configure(self.config)
        self.assertDone("reload", "codes")
        self.assertEqual((self.versions(), self.status()["problem"]), ({"2"}, ""))

    def test_raises(self) -> None:
        """The new version raises when it is imported."""
        self.assertRolledBack("raise", "RuntimeError: this version cannot be imported")

    def test_hangs(self) -> None:
        """The new version hangs when it is imported."""
        self.assertRolledBack("hang", "not ready within 3 s (boot_timeout)", settings="boot_timeout = 3.0\n")

    def test_dies(self) -> None:
        """The new version exits the process."""
        self.assertRolledBack("die", "exited with code 17")

    def test_unhealthy(self) -> None:
        """The health check of the new version fails."""
        self.assertRolledBack("sick", "/-/health", "RuntimeError: the store cannot be reached")


class ConfigurationTests(ReloadTestCase):
    """Changes of the configuration."""

    def test_services(self) -> None:
        """Added services start, removed ones drain, changed ones are replaced; the log has it."""
        self.configure(_TWO + '[services.old]\napp = "codes:app"\n')
        running = self.start()
        talk = self.talk("old")
        talk.send(id=1, path="/wait", data={"seconds": 0.5})
        talk.ask(id=2, path="/item/2")
        self.configure(_TWO.replace("2", "3") + '[services.new]\napp = "codes:app"\n')
        self.reload(running)
        self.assertEqual(talk.receive(), {"id": 1, "code": 200, "data": 0.5})
        self.assertFalse(os.path.exists(self.path("old")))
        self.assertEqual(self.ask("new", "/item/3"), {"id": 3})
        self.assertEqual(len(self.worker_pids()), 3)
        self.assertEqual(set(self.ask("orchestrator", "/status")), {"codes", "new"})

    def reload(self, running: OrchestratorProcess) -> None:
        """Send HUP."""
        running.signal(signal.SIGHUP)
        running.until("reloaded all services")

    def test_wrong(self) -> None:
        """A wrong file changes nothing; the command names the error."""
        self.start()
        before = self.worker_pids()
        self.configure(_TWO.replace("workers", "wokers"))
        self.assertRefuses(4, ["reload"], "services.codes.wokers", "workers")
        self.configure(_TWO + 'depends_on = ["nobody"]\n')
        self.assertRefuses(4, ["reload"], "services.codes.depends_on", "nobody")
        Path(self.folder, "unixsvc.toml").write_text('socket_dir = "elsewhere"\n' + _TWO)
        self.assertRefuses(4, ["--socket-dir", "run", "reload"], "socket_dir", "cannot change")
        self.configure(_TWO)
        self.assertEqual(self.worker_pids(), before)

    def test_new_service_fails(self) -> None:
        """A new service that cannot start is removed; the others go on."""
        self.start()
        self.configure(_TWO + '[services.new]\napp = "import_error:app"\n')
        self.assertRefuses(4, ["reload"], "services.new", "the application is broken")
        self.assertEqual(set(self.ask("orchestrator", "/status")), {"codes"})
        self.assertFalse(os.path.exists(self.path("new")))

    def test_one_service(self) -> None:
        """A reload of one service leaves the others alone."""
        self.configure(_TWO + '[services.other]\napp = "codes:app"\n')
        self.start()
        before = self.worker_pids("other"), self.worker_pids()
        self.assertDone("reload", "codes")
        self.assertEqual(self.worker_pids("other"), before[0])
        self.assertEqual(set(self.worker_pids()) & set(before[1]), set())
        self.assertRefuses(4, ["reload", "nobody"], "there is no service 'nobody'", "codes, other")


class EditedTests(OrchestratorTestCase):
    """An application whose worker changes one of its modules within the second of its import."""

    config = '[services.edited]\napp = "edited:app"\n'

    def test_same_second(self) -> None:
        """A reload and a check have the new code, although it has the size and time of the old one."""
        running = self.start(environment={"PYTHONDONTWRITEBYTECODE": ""})
        self.assertEqual(self.ask("edited", "/value"), 1)
        self.assertDone("check")
        running.signal(signal.SIGHUP)
        running.until("reloaded all services")
        self.assertEqual(self.ask("edited", "/value"), 2)
