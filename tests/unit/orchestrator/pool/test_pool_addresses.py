"""Reloads that change the addresses of a gateway."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.orchestrator.pool.test_pool_reload import ReloadTestCase
from unixsvc.config.http import Listen
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.worker.messages import LISTENING_FD, WorkerDraining, WorkerFailed, WorkerReady

NEW = Listen("tcp", 9), Listen("tcp", 8)


class AddressTests(ReloadTestCase):
    """New workers get the new sockets, and the others are closed when no worker accepts from them."""

    def changed(self, number: int = 2) -> WorkerSpec:
        """A spec with other addresses."""
        return replace(self.spec(number), listen=NEW)

    def sockets_of(self, process: object) -> list[object]:
        """The listening sockets that a worker has got."""
        descriptors = process.arguments["childFDs"]  # type: ignore[attr-defined]  # of the fake process
        return [descriptors[LISTENING_FD + index] for index in range(len(descriptors) - LISTENING_FD)]

    def test_success(self) -> None:
        """New sockets are opened first; old ones are closed after the old workers have stopped to accept."""
        done = self.pool.reload(self.changed())
        self.assertEqual(self.listener.changes, [("add", NEW)])
        for _ in range(2):
            self.assertEqual(self.sockets_of(self.fresh()), [9, 8])
            self.fresh().report(WorkerReady())
        self.first.report(WorkerDraining())
        self.assertEqual(self.listener.changes, [("add", NEW)])
        self.second.report(WorkerDraining())
        self.successResultOf(done)
        self.assertEqual(self.listener.changes, [("add", NEW), ("keep", NEW)])

    def test_cannot_bind(self) -> None:
        """If an address cannot be bound, the reload fails, and no worker is started or stopped."""
        self.listener.problem = "is taken"
        error = self.assertRaises(ConfigError, self.pool.reload, self.changed())
        self.assertIn("is taken", str(error))
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        self.assertEqual(self.listener.changes, [])

    def test_rolled_back(self) -> None:
        """If the new workers cannot start, the new sockets are closed, and later workers get the old ones."""
        done = self.pool.reload(self.changed())
        new = self.fresh()
        new.report(WorkerFailed("no"))
        new.end(code=3)
        self.failureResultOf(done, ConfigError)
        self.assertEqual(self.listener.changes, [("add", NEW), ("keep", ())])
        self.first.end(by=9)
        self.live(5)
        self.assertEqual(self.sockets_of(self.last()), [7])

    def test_stopped(self) -> None:
        """A service that does not run has the new addresses at its next start."""
        self.pool.stopService()
        self.pool.set_spec(self.changed())
        self.assertEqual(self.listener.changes, [("add", NEW), ("keep", NEW)])

    def test_debugged(self) -> None:
        """In a debug session the addresses cannot change: its worker has the present ones."""
        self.pool.debug(self.spec(2)).addErrback(lambda failure: None)
        error = self.assertRaises(ConfigError, self.pool.set_spec, self.changed(3))
        self.assertIn("listen: cannot change during a debug session; end the session first", str(error))
        self.pool.set_spec(self.spec(3))
