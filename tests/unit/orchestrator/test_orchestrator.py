"""Tests of the orchestrator with fake processes."""

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


class BindTests(OrchestratorTestCase):
    """What is bound before the start."""

    def test_interfaces(self) -> None:
        """The orchestrator and the watcher of these tests provide their interfaces."""
        verifyObject(IOrchestrator, self.orchestrator)
        verifyObject(IOrchestratorWatcher, Watcher())

    def assert_nothing_left(self) -> None:
        """There is no socket, and the directory can be locked."""
        self.assertEqual(self.sockets(), [])
        DirectoryLock(self.folder).release()

    def test_bind(self) -> None:
        """The directory is locked, each service has its socket, and there is a token; nothing is started."""
        self.orchestrator.bind()
        self.assertEqual(self.sockets(), ["home", "orchestrator", "user"])
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertEqual(len(Path(self.folder, ".token").read_text().strip()), 64)
        self.assertEqual(self.reactor.started, [])
        self.orchestrator.stopService()
        self.pass_time()

    def test_stop_before_start(self) -> None:
        """Stopping before the start closes everything; callers that wait for the start get an error."""
        when_ready = self.orchestrator.when_ready()
        self.orchestrator.bind()
        stopped = self.orchestrator.stopService()
        self.pass_time()
        self.successResultOf(stopped)
        self.assertIn("stopped", str(self.failureResultOf(when_ready, ConfigError).value))
        self.assert_nothing_left()

    def test_cannot_bind(self) -> None:
        """If a service cannot bind, the error says so, and all is closed."""
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
        """If another orchestrator runs, nothing is touched."""
        self.orchestrator.bind()
        self.assertIn("another", str(self.assertRaises(ConfigError, self.make().bind)))
        self.assertEqual(self.sockets(), ["home", "orchestrator", "user"])
        self.orchestrator.stopService()
        self.pass_time()

    def test_served(self) -> None:
        """A directory whose lock file was removed is not taken from the orchestrator that serves it."""
        self.orchestrator.bind()
        os.unlink(os.path.join(self.folder, ".lock"))
        before = os.lstat(os.path.join(self.folder, "service_home.sock"))
        self.assertIn("another", str(self.assertRaises(ConfigError, self.make().bind)))
        self.assertEqual(os.lstat(os.path.join(self.folder, "service_home.sock")).st_ino, before.st_ino)
        self.orchestrator.stopService()
        self.pass_time()

    def test_passed_socket(self) -> None:
        """A passed socket for no service is refused before anything is bound."""
        with socket.socket(socket.AF_UNIX) as handed:
            handed.bind(os.path.join(self.folder, "shop"))
            refused = self.make(passed_sockets={"shop": handed})
            self.assertIn("'shop'", str(self.assertRaises(ConfigError, refused.bind)))
        self.assert_nothing_left()


class LifecycleTests(OrchestratorTestCase):
    """From the start to the stop."""

    def test_start(self) -> None:
        """All services are bound and started in their order; then the start is complete."""
        self.orchestrator.startService()
        when_ready = self.orchestrator.when_ready()
        self.assertEqual(self.names(), ["home"])
        self.ready()
        self.assertEqual(self.names(), ["home", "user"])
        self.assertNoResult(when_ready)
        self.ready()
        self.successResultOf(when_ready)
        self.assertTrue(self.reactor.ports[os.path.join(self.folder, "service_orchestrator.sock")].open)

    def test_bound_before(self) -> None:
        """A bound orchestrator does not bind again; the lock gets the pid of the daemon."""
        self.orchestrator.bind()
        Path(self.folder, ".lock").write_text("1\n")
        self.boot()
        self.assertEqual(Path(self.folder, ".lock").read_text(), f"{os.getpid()}\n")

    def test_cannot_start(self) -> None:
        """If a service cannot start, the start fails with its error."""
        self.orchestrator.startService()
        when_ready = self.orchestrator.when_ready()
        self.processes("home")[0].end(code=3)
        self.assertIn("services.home", str(self.failureResultOf(when_ready, ConfigError).value))

    def test_stop(self) -> None:
        """All services drain in their order; then nothing is left behind."""
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
        """Stopping twice is stopping once."""
        self.boot()
        both = [self.orchestrator.stopService(), self.orchestrator.stopService()]
        self.assertEqual(self.processes("user")[0].commands, ["drain"])
        self.pass_time()
        for each in both:
            self.successResultOf(each)

    def test_stop_during_start(self) -> None:
        """A stop during the start makes it fail, and starts nothing more."""
        self.orchestrator.startService()
        when_ready = self.orchestrator.when_ready()
        stopped = self.orchestrator.stopService()
        self.assertIn("stopped", str(self.failureResultOf(when_ready, ConfigError).value))
        self.ready()
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual(len(self.reactor.started), 1)

    def test_control_is_last(self) -> None:
        """The control API serves while services drain."""
        self.boot()
        self.orchestrator.stopService()
        self.reactor.advance(1)
        port = self.reactor.ports[os.path.join(self.folder, "service_orchestrator.sock")]
        self.assertTrue(port.open)
        self.pass_time()
        self.assertFalse(port.open)

    def test_abort(self) -> None:
        """An abort kills every worker and starts none."""
        self.boot()
        workers = self.processes()
        stopped = self.orchestrator.stopService()
        self.orchestrator.abort()
        self.assertEqual([each.signals for each in workers], [["KILL"], ["KILL"]])
        self.pass_time()
        self.successResultOf(stopped)
        self.assertEqual(len(self.reactor.started), 2)

    def test_kill_workers(self) -> None:
        """Workers and their groups are killed by their pids; one that has exited is no error."""
        self.boot()
        killed: list[tuple[int, int]] = []

        def kill(pid: int, number: int) -> None:
            killed.append((pid, number))
            raise ProcessLookupError

        self.patch(os, "kill", kill)
        self.patch(os, "killpg", kill)
        self.processes("home")[0].end(by=9)
        self.orchestrator.kill_workers()
        expected = [(each.pid, signal.SIGKILL) for each in self.processes() for _ in ("process", "group")]
        self.assertEqual(sorted(killed), expected)
        self.assertNotIn(os.getpid(), dict(killed))

    def test_not_started(self) -> None:
        """Before the start, operations are refused."""
        for ask in self.orchestrator.start, self.orchestrator.stop, self.orchestrator.restart:
            self.assertRaises(ConfigError, ask)
        self.assertRaises(ConfigError, self.orchestrator.healthy)
