"""``/-/health``, and what a service has to do with it before it listens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import svcs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from unixsvc import App
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.errors import ConfigError, DeadlineExceeded, Unavailable
from unixsvc.listen.endpoint import OwnedUNIXServerEndpoint
from unixsvc.routing.container import ServiceContext
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.testing import ImmediateRunner, MemoryService

Ping = Callable[[Any], Awaitable[None] | None]


class Database:
    """Something that a service cannot do without."""


class Queue:
    """Something else."""


def fine(database: Database) -> None:
    """Be well."""


def broken(database: Database) -> None:
    """Be not."""
    raise OSError("the disk of db-7 is full")


async def fine_later(queue: Queue) -> None:
    """Be well."""


async def broken_later(queue: Queue) -> None:
    """Be not."""
    raise OSError("queue-3 is gone")


def app_with(database: Ping | None = None, queue: Ping | None = None) -> App:
    """An application whose container has both, with these pings."""

    async def make_queue() -> Queue:
        return Queue()

    def container(registry: svcs.Registry, context: ServiceContext) -> None:
        registry.register_factory(Database, Database, ping=database)
        registry.register_factory(Queue, make_queue, ping=queue)

    return App([], container)


class HealthTests(SynchronousTestCase):
    """What a client is told."""

    def assert_unwell(self, service: MemoryService, words: str) -> None:
        """The answer is 503 and says nothing of the reason, which is in the log."""
        error = self.failureResultOf(service.get("/-/health"), Unavailable).value
        self.assertNotIn(words, f"{error} {error.detail!r}")
        [failure] = self.flushLoggedErrors(OSError)
        self.assertIn(words, failure.getErrorMessage())

    def test_well(self) -> None:
        """A service is well if all pings are, and if there are none; anyone may ask."""
        for app in (App([]), app_with(), app_with(fine, fine_later)):
            service = MemoryService(app, token=None, security=Security(token="private"))
            found = self.successResultOf(service.get("/-/health"))
            self.assertEqual(found, {"status": "ok", "service": "memory"})

    def test_sync(self) -> None:
        """A ping that raises makes it 503."""
        self.assert_unwell(MemoryService(app_with(broken, fine_later)), "db-7")

    def test_async(self) -> None:
        """So does one that is async; it is awaited."""
        self.assert_unwell(MemoryService(app_with(fine, broken_later)), "queue-3")

    def test_given(self) -> None:
        """Each ping gets what its factory makes, made anew for each question and given back after it."""
        found: list[object] = []

        def make() -> Iterator[Database]:
            yield Database()
            found.append("closed")

        def container(registry: svcs.Registry, context: ServiceContext) -> None:
            registry.register_factory(Database, make, ping=found.append)

        service = MemoryService(App([], container))
        for _ in range(2):
            self.successResultOf(service.get("/-/health"))
        first, closed, second, _ = found
        self.assertIsInstance(first, Database)
        self.assertIsNot(first, second)
        self.assertEqual(closed, "closed")

    def test_recovers(self) -> None:
        """It is asked each time: what was ill can be well again."""
        ill = [True]

        def ping(database: Database) -> None:
            if ill.pop():
                broken(database)

        service = MemoryService(app_with(ping))
        self.assert_unwell(service, "db-7")
        ill.append(False)
        self.successResultOf(service.get("/-/health"))

    def test_takes_too_long(self) -> None:
        """One that takes longer than any answer may is no sign of health."""

        async def wait(queue: Queue) -> None:
            await Deferred()

        service = MemoryService(app_with(None, wait), limits=Limits(request_timeout=1))
        health = service.get("/-/health")
        self.assertNoResult(health)
        service.clock.advance(1)
        self.failureResultOf(health, Unavailable)
        self.assertEqual(len(self.flushLoggedErrors(DeadlineExceeded)), 1)


class ListenTests(TestCase):
    """A service listens once it has found itself well; over real sockets, as that is how it asks."""

    def setUp(self) -> None:
        """A folder for the socket."""
        from twisted.internet import reactor  # here: to import it is to choose it

        self.reactor: Any = reactor
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "x.sock")

    def host(self, app: App, security: Security | None = None) -> ServiceHost:
        """A service that has not begun to listen; it ends with the test."""
        settings = ServiceSettings("x:app")
        worker_config = WorkerConfig(
            "x", 1, self.folder, settings, Limits(), security or Security(), Log(), "ab" * 32
        )
        endpoint = OwnedUNIXServerEndpoint(self.reactor, self.path, 10, 0o600)
        service_host = make_service_host(
            worker_config, app, endpoint, self.reactor, blocking=ImmediateRunner()
        )
        self.addCleanup(service_host.drain)
        return service_host

    async def test_well(self) -> None:
        """A service that is well listens, and nobody's figures show that it has asked itself."""
        service_host = self.host(app_with(fine, fine_later))
        await service_host.listen()
        self.assertTrue(os.path.exists(self.path))
        status = service_host.stats()
        self.assertEqual((status.snapshot.requests, status.snapshot.codes, status.inflight), (0, {}, 0))

    async def test_unwell(self) -> None:
        """One that is not fails with the path and the reason, and has never listened."""
        for app, words in (
            (app_with(broken), "Database: OSError: the disk of db-7 is full"),
            (app_with(fine, broken_later), "Queue: OSError: queue-3 is gone"),
        ):
            with self.assertRaises(ConfigError) as caught:
                await self.host(app).listen()
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
            line = str(caught.exception)
            self.assertTrue(line.startswith("/-/health: answers 503"), line)
            self.assertIn(words, line)
            self.assertFalse(os.path.exists(self.path))

    async def test_excluded(self) -> None:
        """It asks itself with the token, and although none of our user may connect."""
        nobody = os.getuid() + os.getgid() + 1
        await self.host(app_with(), Security("required", (nobody,), (nobody,))).listen()
        self.assertTrue(os.path.exists(self.path))

    async def test_unasked(self) -> None:
        """Where it is not to ask itself, it listens however it is."""
        await self.host(app_with(broken)).listen(probe=False)
        self.assertTrue(os.path.exists(self.path))
