"""Tests of the start of debug sessions in an orchestrator with fake processes."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

from tests.unit.orchestrator.fake_pools import OrchestratorTestCase, service
from unixsvc.errors import ConfigError, Conflict, NotFound
from unixsvc.orchestrator.debugging.session import DebugSession
from unixsvc.orchestrator.debugging.terminal import LentTerminal


class StartTests(OrchestratorTestCase):
    """An orchestrator of two services, and a terminal."""

    def setUp(self) -> None:
        """Start it."""
        super().setUp()
        for each in (ends := os.openpty()):
            self.addCleanup(os.close, each)
        stat = os.fstat(ends[1])
        variables = {"TERM": "dumb"}
        self.terminal = LentTerminal(os.ttyname(ends[1]), stat.st_dev, stat.st_ino, variables)
        self.boot()

    def ask_for(self, name: str = "home") -> Deferred[DebugSession]:
        """Begin a session."""
        return Deferred.fromCoroutine(self.orchestrator.debug(name, self.terminal))

    def begin(self) -> DebugSession:
        """Begin a session that works, and let its worker be ready."""
        session = self.successResultOf(self.ask_for())
        self.settle()
        self.addCleanup(session.close)
        return session

    def test_worker(self) -> None:
        """The worker has the terminal, its variables, and no limits; other services stay as they are."""
        self.assertFalse(self.orchestrator.is_debugged("home"))
        session = self.begin()
        debugged = [name for name in ("home", "user", "hose") if self.orchestrator.is_debugged(name)]
        self.assertEqual(debugged, ["home"])
        [worker] = self.processes("home")
        descriptors = worker.arguments["childFDs"]
        self.assertEqual([descriptors[each] for each in range(3)], [session.terminal] * 3)
        config = worker.worker_config
        self.assertTrue(config.debugged)
        self.assertEqual(config.settings.environment, {"TERM": "dumb"})
        self.assertGreater(config.limits.request_timeout, 86_400)
        [other] = self.processes("user")
        self.assertFalse(other.worker_config.debugged)

    def test_other_operations(self) -> None:
        """Another session and a change of the number of workers are refused; a reload is for afterwards."""
        session = self.begin()
        for refused in self.ask_for(), self.orchestrator.scale("home", 3):
            error = self.failureResultOf(refused, Conflict).value
            self.assertEqual(error.detail, "home is being debugged; end that session first")
        self.loaded = self.settings(home=service(workers=2), user=service(depends_on=("home",)))
        reloaded = self.orchestrator.reload("home")
        self.settle()
        self.successResultOf(reloaded)
        self.assertEqual([each.worker_config.debugged for each in self.processes("home")], [True])
        session.close()
        self.settle()
        usual = [each.worker_config for each in self.processes("home")]
        self.assertEqual([(each.slot, each.debugged) for each in usual], [(1, False), (2, False)])

    def test_restart(self) -> None:
        """A restart ends the session."""
        self.begin()
        restarted = self.orchestrator.restart("home")
        self.settle()
        self.successResultOf(restarted)
        self.assertEqual([each.worker_config.debugged for each in self.processes("home")], [False])

    def test_refused(self) -> None:
        """Only a service that exists, runs, and has workers can be debugged; no terminal stays open."""
        before = len(os.listdir("/proc/self/fd"))
        self.failureResultOf(self.ask_for("hose"), NotFound)
        stopped = self.orchestrator.stop("user")
        self.settle()
        self.successResultOf(stopped)
        error = self.failureResultOf(self.ask_for("user"), Conflict).value
        self.assertEqual(error.detail, "user is stopped; start it first")
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)

    def test_inline(self) -> None:
        """An inline service has no worker; the error says what to do, and the terminal is closed."""
        self.loaded = self.settings(
            home=service(app="unix_app.home:app", isolation="inline"), user=service(depends_on=("home",))
        )
        reloaded = self.orchestrator.reload("home")
        self.pass_time()
        self.successResultOf(reloaded)
        before = len(os.listdir("/proc/self/fd"))
        error = self.failureResultOf(self.ask_for(), ConfigError).value
        self.assertIn("is inline, and so has no workers; remove isolation to debug it", str(error))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
