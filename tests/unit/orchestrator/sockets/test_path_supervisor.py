"""Removed paths are noticed while the orchestrator runs."""

from __future__ import annotations

import os
import shutil
import tempfile

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import Processes
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.directory_lock import DirectoryLock
from unixsvc.orchestrator.sockets.path_supervisor import PathSupervisor


class Paths:
    """Counts its checks.

    :ivar problem: raised by a check; empty for none.
    """

    def __init__(self) -> None:
        self.checks = 0
        self.problem = ""

    def check_paths(self) -> None:
        """Count a check."""
        self.checks += 1
        if self.problem:
            raise ConfigError("/run/x.sock", self.problem)


class PathSupervisorTests(SynchronousTestCase):
    """A supervisor of two pools with paths in one directory."""

    def setUp(self) -> None:
        """Make the directory and the supervisor."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.lock = DirectoryLock(self.folder)
        self.addCleanup(self.lock.release)
        self.reactor = Processes()
        self.first, self.second = Paths(), Paths()
        self.supervisor = PathSupervisor(
            self.reactor, self.lock, lambda: [self.folder], lambda: [self.first, self.second]
        )

    def start(self) -> None:
        """Start it; it is stopped after the test."""
        self.supervisor.startService()
        self.addCleanup(self.supervisor.stopService)

    def logged(self, seconds: float = 0.0) -> list[str]:
        """The problems that are logged at a check, or within a time."""
        with capturedLogs() as events:
            if seconds:
                self.reactor.pump([0.5] * round(2 * seconds))
            else:
                self.supervisor.check()
        return [str(event["problem"]) for event in events if "problem" in event]

    def test_change(self) -> None:
        """A change in the directory is noticed at once, and another one a moment later."""
        self.start()
        self.assertEqual(self.first.checks, 1)
        for checks in 2, 3:
            self.reactor.readers[-1].doRead()
            self.assertEqual(self.first.checks, checks - 1)
            self.reactor.advance(0.25)
            self.assertEqual((self.first.checks, self.second.checks), (checks, checks))
        self.assertEqual(len(self.reactor.readers), 1)

    def test_without_notification(self) -> None:
        """Without one, a check takes place at least every five seconds."""
        self.start()
        self.reactor.pump([0.25] * 20)
        self.assertGreaterEqual(self.first.checks, 2)

    def test_stopped(self) -> None:
        """When it is stopped, nothing of it is left."""
        for pause in False, True:
            self.supervisor.startService()
            if pause:
                self.reactor.readers[-1].doRead()
            self.supervisor.stopService()
            self.assertEqual((self.reactor.getDelayedCalls(), self.reactor.readers), ([], []))

    def test_problems(self) -> None:
        """Each problem is logged once as long as it lasts, and does not prevent other checks."""
        self.first.problem = "is in the way"
        self.assertEqual(self.logged(), ["/run/x.sock: is in the way"])
        self.assertEqual((self.logged(), self.second.checks), ([], 2))
        self.first.problem = ""
        self.assertEqual(self.logged(), [])
        self.first.problem = self.second.problem = "is in the way"
        self.assertEqual(self.logged(), ["/run/x.sock: is in the way"])

    def test_directory(self) -> None:
        """The end of the directory is a problem; the directory is watched again when it is back."""
        self.start()
        shutil.rmtree(self.folder)
        [problem] = self.logged(5)
        self.assertIn("was removed", problem)
        self.assertEqual(self.logged(5), [])
        os.mkdir(self.folder, 0o700)
        self.assertEqual(self.logged(5), [])
        self.assertRaises(ConfigError, DirectoryLock, self.folder)
        self.assertEqual(len(self.reactor.readers), 1)
