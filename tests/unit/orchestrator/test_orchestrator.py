"""The orchestrator as a whole, with processes that are only said to be there."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from zope.interface.verify import verifyObject

from tests.unit.orchestrator.fake_pools import OrchestratorTestCase, Watcher, service
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.interfaces import IOrchestrator, IOrchestratorWatcher
from unixsvc.orchestrator.sockets.directory_lock import DirectoryLock


class ClaimTests(OrchestratorTestCase):
    """What is taken before anything is started."""

    def test_interfaces(self) -> None:
        """It is an orchestrator; what watches it in these tests is what it takes for a watcher."""
        verifyObject(IOrchestrator, self.orchestrator)
        verifyObject(IOrchestratorWatcher, Watcher())

    def assert_nothing_left(self) -> None:
        """No socket, and somebody else can have the directory."""
        self.assertEqual(self.sockets(), [])
        DirectoryLock(self.folder).release()

    def test_claim(self) -> None:
        """The directory is ours, each service has its socket, and there is a token; nothing is started."""
        self.orchestrator.bind()
        self.assertEqual(self.sockets(), ["home", "user"])
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertEqual(len(Path(self.folder, ".token").read_text().strip()), 64)
        self.assertEqual(self.reactor.started, [])
        self.orchestrator.stopService()
        self.pass_time()

    def test_let_go(self) -> None:
        """What was claimed is let go without having been started; who waits for that is told."""
        when_ready = self.orchestrator.when_ready()
        self.orchestrator.bind()
        stopped = self.orchestrator.stopService()
        self.pass_time()
        self.successResultOf(stopped)
        self.assertIn("stopped", str(self.failureResultOf(when_ready, ConfigError).value))
        self.assert_nothing_left()

    def test_cannot(self) -> None:
        """When a service cannot have what it needs, it is said, and all is let go that was taken before."""
        for wrong in service(user="no-such-user"), service(depends_on=("no",)):
            self.loaded = self.settings(home=service(), user=wrong)
            self.assertIn("services.user", str(self.assertRaises(ConfigError, self.make().bind)))
            self.assert_nothing_left()
        Path(self.folder, "service_user.sock").write_text("mine")
        self.loaded = self.settings(home=service(), user=service())
        self.assertRaises(ConfigError, self.make().bind)
        os.unlink(os.path.join(self.folder, "service_user.sock"))
        self.assert_nothing_left()

    def test_taken(self) -> None:
        """Where another one runs, nothing is touched."""
        self.orchestrator.bind()
        self.assertIn("another", str(self.assertRaises(ConfigError, self.make().bind)))
        self.assertEqual(self.sockets(), ["home", "user"])
        self.orchestrator.stopService()
        self.pass_time()

    def test_handed(self) -> None:
        """A socket that was handed to us is refused before anything is taken, if it is for no service."""
        with socket.socket(socket.AF_UNIX) as handed:
            handed.bind(os.path.join(self.folder, "shop"))
            refused = self.make(passed_sockets={"shop": handed})
            self.assertIn("'shop'", str(self.assertRaises(ConfigError, refused.bind)))
        self.assert_nothing_left()


class LifeTests(OrchestratorTestCase):
    """From its start to its end."""

    def test_start(self) -> None:
        """It claims what it needs, then starts all services, in their order; then it has booted."""
        self.orchestrator.startService()
        when_ready = self.orchestrator.when_ready()
        self.assertEqual(self.names(), ["home"])
        self.ready()
        self.assertEqual(self.names(), ["home", "user"])
        self.assertNoResult(when_ready)
        self.ready()
        self.successResultOf(when_ready)
        self.assertTrue(self.reactor.ports[os.path.join(self.folder, "service_orchestrator.sock")].open)

    def test_claimed(self) -> None:
        """What was claimed before is not claimed twice; the lock has the pid of who is a daemon by now."""
        self.orchestrator.bind()
        Path(self.folder, ".lock").write_text("1\n")
        self.boot()
        self.assertEqual(Path(self.folder, ".lock").read_text(), f"{os.getpid()}\n")

    def test_cannot_start(self) -> None:
        """When a service cannot start, its boot has failed, and says why."""
        self.orchestrator.startService()
        when_ready = self.orchestrator.when_ready()
        self.processes("home")[0].end(code=3)
        self.assertIn("services.home", str(self.failureResultOf(when_ready, ConfigError).value))

    def test_stop(self) -> None:
        """All are drained in their order; it is done when all are gone, and nothing is left behind."""
        self.boot()
        stopped = self.orchestrator.stopService()
        self.assertEqual([each.commands for each in self.processes()], [[], ["drain"]])
        self.obey()
        self.assertEqual([each.commands for each in self.processes()], [["drain"]])
        self.assertNoResult(stopped)
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual((self.names(), self.sockets(), self.reactor.getDelayedCalls()), ([], [], []))
        DirectoryLock(self.folder).release()

    def test_stop_twice(self) -> None:
        """To stop twice is to stop once."""
        self.boot()
        both = [self.orchestrator.stopService(), self.orchestrator.stopService()]
        self.assertEqual(self.processes("user")[0].commands, ["drain"])
        self.pass_time()
        for each in both:
            self.successResultOf(each)

    def test_stop_while_it_boots(self) -> None:
        """Who waits for its boot is told; what was not started yet is never started."""
        self.orchestrator.startService()
        when_ready = self.orchestrator.when_ready()
        stopped = self.orchestrator.stopService()
        self.assertIn("stopped", str(self.failureResultOf(when_ready, ConfigError).value))
        self.ready()
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual(len(self.reactor.started), 1)

    def test_control_is_last(self) -> None:
        """While services drain it can be asked how far that is."""
        self.boot()
        self.orchestrator.stopService()
        self.reactor.advance(1)
        port = self.reactor.ports[os.path.join(self.folder, "service_orchestrator.sock")]
        self.assertTrue(port.open)
        self.pass_time()
        self.assertFalse(port.open)

    def test_abort(self) -> None:
        """Who is in a hurry has every worker killed, in whatever order; it ends then, and starts nothing."""
        self.boot()
        workers = self.processes()
        stopped = self.orchestrator.stopService()
        self.orchestrator.abort()
        self.assertEqual([each.signals for each in workers], [["KILL"], ["KILL"]])
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual(len(self.reactor.started), 2)

    def test_kill_workers(self) -> None:
        """Workers can be killed by their pids alone; that one has ended is no error."""
        self.boot()
        killed: list[tuple[int, int]] = []

        def kill(pid: int, number: int) -> None:
            killed.append((pid, number))
            raise ProcessLookupError

        self.patch(os, "kill", kill)
        self.processes("home")[0].end(by=9)
        self.orchestrator.kill_workers()
        self.assertEqual(sorted(killed), [(each.pid, signal.SIGKILL) for each in self.processes()])
        self.assertNotIn(os.getpid(), dict(killed))

    def test_not_started(self) -> None:
        """Before it is started nothing can be asked of it, which is said."""
        for ask in self.orchestrator.start, self.orchestrator.stop, self.orchestrator.restart:
            self.assertRaises(ConfigError, ask)
        self.assertRaises(ConfigError, self.orchestrator.healthy)
