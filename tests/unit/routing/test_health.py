"""``/-/health``, and the probe before a service listens."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from typing import Any

import svcs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from unixsvc import App
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.domain.action_runner import PlainRunner
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import current_request, set_current_request
from unixsvc.errors import ConfigError, DeadlineExceeded, Unavailable
from unixsvc.listen.endpoint import BoundUNIXServerEndpoint
from unixsvc.routing.container import ServiceContext
from unixsvc.service.factory import make_service_host
from unixsvc.service.health import HealthCheck
from unixsvc.service.host import ServiceHost
from unixsvc.service.spec import WorkerConfig
from unixsvc.telemetry.metrics.snapshot import SeriesCounts
from unixsvc.testing import ImmediateRunner, MemoryEndpoint, MemoryService

Ping = Callable[[Any], Awaitable[None] | None]


class Database:
    """A dependency with a ping."""


class Queue:
    """Another dependency."""


def fine(database: Database) -> None:
    """Succeed."""


def broken(database: Database) -> None:
    """Fail."""
    raise OSError("the disk of db-7 is full")


async def fine_later(queue: Queue) -> None:
    """Succeed."""


async def broken_later(queue: Queue) -> None:
    """Fail."""
    raise OSError("queue-3 is gone")


def app_with(database: Ping | None = None, queue: Ping | None = None) -> App:
    """An application whose container has both dependencies with these pings."""

    async def make_queue() -> Queue:
        return Queue()

    def container(registry: svcs.Registry, context: ServiceContext) -> None:
        registry.register_factory(Database, Database, ping=database)
        registry.register_factory(Queue, make_queue, ping=queue)

    return App([], container)


class HealthTests(SynchronousTestCase):
    """The reply to a client."""

    def assert_unwell(self, service: MemoryService, words: str) -> None:
        """The reply is 503 without the reason, which is logged."""
        error = self.failureResultOf(service.get("/-/health"), Unavailable).value
        self.assertNotIn(words, f"{error} {error.detail!r}")
        [failure] = self.flushLoggedErrors(OSError)
        self.assertIn(words, failure.getErrorMessage())

    def test_well(self) -> None:
        """A service is healthy if all pings succeed; the route is public."""
        for app in (App([]), app_with(), app_with(fine, fine_later)):
            service = MemoryService(app, token=None, security=Security(token="private"))
            found = self.successResultOf(service.get("/-/health"))
            self.assertEqual(found, {"status": "ok", "service": "memory"})

    def test_sync(self) -> None:
        """A ping that raises an exception makes the reply 503."""
        self.assert_unwell(MemoryService(app_with(broken, fine_later)), "db-7")

    def test_async(self) -> None:
        """An async ping is awaited, and its exception makes the reply 503."""
        self.assert_unwell(MemoryService(app_with(fine, broken_later)), "queue-3")

    def test_given(self) -> None:
        """Each ping gets a new object of its factory, which is closed afterwards."""
        found: list[object] = []

        def make() -> Iterator[Database]:
            yield Database()
            found.append("closed")

        def container(registry: svcs.Registry, context: ServiceContext) -> None:
            registry.register_factory(Database, make, ping=found.append)

        service = MemoryService(App([], container))
        for _ in range(2):
            self.successResultOf(service.get("/-/health"))
            service.clock.advance(1)
        first, closed, second, _ = found
        self.assertIsInstance(first, Database)
        self.assertIsNot(first, second)
        self.assertEqual(closed, "closed")

    def test_recovers(self) -> None:
        """After a second a request runs the pings again."""
        ill = [True]

        def ping(database: Database) -> None:
            if ill.pop():
                broken(database)

        service = MemoryService(app_with(ping))
        self.assert_unwell(service, "db-7")
        ill.append(False)
        service.clock.advance(1)
        self.successResultOf(service.get("/-/health"))

    def test_once_a_second(self) -> None:
        """Requests within a second share one run of the pings, also one that fails."""
        runs: list[object] = []

        def ping(database: Database) -> None:
            runs.append(database)
            broken(database)

        service = MemoryService(app_with(ping))
        self.assert_unwell(service, "db-7")
        for _ in range(3):
            service.clock.advance(0.3)
            self.failureResultOf(service.get("/-/health"), Unavailable)
        self.assertEqual((len(runs), self.flushLoggedErrors()), (1, []))
        service.clock.advance(0.2)
        self.assert_unwell(service, "db-7")
        self.assertEqual(len(runs), 2)

    def test_shared(self) -> None:
        """Requests wait for the pings that run, however long they take; one that gives up cancels nothing."""
        waiting: list[Deferred[None]] = []

        async def ping(queue: Queue) -> None:
            waiting.append(Deferred())
            await waiting[-1]

        service = MemoryService(app_with(None, ping))
        impatient = service.call("GET", "/-/health", {}, timeout=0.5)
        others = [service.get("/-/health") for _ in range(3)]
        service.clock.advance(0.5)
        self.failureResultOf(impatient, DeadlineExceeded)
        service.clock.advance(2)
        others.append(service.get("/-/health"))
        self.assertEqual(len(waiting), 1)
        waiting[0].callback(None)
        for each in others:
            self.assertEqual(self.successResultOf(each)["status"], "ok")
        self.assertNoResult(service.get("/-/health"))
        self.assertEqual(len(waiting), 2)

    def test_no_request(self) -> None:
        """Pings have no request context, so no deadline of a caller limits their calls."""
        found: list[object] = []

        async def ping(queue: Queue) -> None:
            found.append(current_request())

        registry = svcs.Registry()
        registry.register_factory(Queue, Queue, ping=ping)
        check = HealthCheck("shop", Clock(), 30.0, PlainRunner()).check
        outer = Request("GET", "/-/health")

        def run() -> Deferred[dict[str, str]]:
            set_current_request(outer, 0.5)
            result = Deferred.fromCoroutine(check(svcs.Container(registry)))
            self.assertEqual(current_request(), (outer, 0.5))
            return result

        self.successResultOf(copy_context().run(run))
        self.assertEqual(found, [None])

    def test_exits(self) -> None:
        """A ping that ends with an exception that is no Exception makes the reply 503."""

        async def ping(queue: Queue) -> None:
            raise asyncio.CancelledError

        service = MemoryService(app_with(None, ping))
        self.failureResultOf(service.get("/-/health"), Unavailable)
        self.assertEqual(len(self.flushLoggedErrors(asyncio.CancelledError)), 1)

    def test_takes_too_long(self) -> None:
        """A ping that exceeds the request timeout makes the reply 503."""

        async def wait(queue: Queue) -> None:
            await Deferred()

        service = MemoryService(app_with(None, wait), limits=Limits(request_timeout=1))
        health = service.get("/-/health")
        self.assertNoResult(health)
        service.clock.advance(1)
        self.failureResultOf(health, Unavailable)
        self.assertEqual(len(self.flushLoggedErrors(DeadlineExceeded)), 1)


class _Endpoint(BoundUNIXServerEndpoint):
    """Adopts the connection of the probe, and records whether it listens.

    :param listened: gets the factories.
    """

    def __init__(self, reactor: Any, listened: list[IProtocolFactory]) -> None:
        super().__init__(reactor, tuple)
        self._listened = listened

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Record it."""
        self._listened.append(protocolFactory)
        port: Any = MemoryEndpoint()
        return succeed(port)


class ListenTests(TestCase):
    """A service listens after a successful probe; over real sockets, as the probe uses one."""

    def setUp(self) -> None:
        """Create a directory for the socket."""
        from twisted.internet import reactor  # here: to import it is to choose it

        self.reactor: Any = reactor
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        self.listened: list[IProtocolFactory] = []

    def host(self, app: App, security: Security | None = None) -> ServiceHost:
        """A service that does not listen yet; it is stopped after the test."""
        settings = ServiceSettings("x:app")
        worker_config = WorkerConfig(
            "x", 1, self.folder, settings, Limits(), security or Security(), Log(), "ab" * 32
        )
        endpoint = _Endpoint(self.reactor, self.listened)
        making = make_service_host(worker_config, app, endpoint, self.reactor, blocking=ImmediateRunner())
        service_host = run_without_waiting(making)
        self.addCleanup(service_host.drain)
        return service_host

    async def test_well(self) -> None:
        """A healthy service listens, and the probe is not part of its metrics."""
        service_host = self.host(app_with(fine, fine_later))
        await service_host.listen()
        self.assertEqual(len(self.listened), 1)
        status = service_host.stats()
        self.assertEqual((service_host.metrics().all, status.inflight), (SeriesCounts(), 0))

    async def test_unwell(self) -> None:
        """An unhealthy service fails with the path and the reason, and never listens."""
        for app, words in (
            (app_with(broken), "Database: OSError: the disk of db-7 is full"),
            (app_with(fine, broken_later), "Queue: OSError: queue-3 is gone"),
        ):
            with self.assertRaises(ConfigError) as caught:
                await self.host(app).listen()
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
            line = str(caught.exception)
            self.assertTrue(line.startswith("/-/health: answers 503; "), line)
            self.assertIn(words, line)
            self.assertEqual(self.listened, [])

    async def test_interface(self) -> None:
        """A dependency that is registered under an interface has the name of the interface."""

        def container(registry: svcs.Registry, context: ServiceContext) -> None:
            registry.register_value(IServices, Database(), ping=broken)

        with self.assertRaises(ConfigError) as caught:
            await self.host(App([], container)).listen()
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        line = str(caught.exception)
        self.assertTrue(
            line.endswith("; unixsvc.domain.interfaces.IServices: OSError: the disk of db-7 is full"), line
        )

    async def test_excluded(self) -> None:
        """The probe has the token, and works even if no user may connect."""
        other_id = os.getuid() + os.getgid() + 1
        await self.host(app_with(), Security("required", (other_id,), (other_id,))).listen()
        self.assertEqual(len(self.listened), 1)

    async def test_unasked(self) -> None:
        """Without the probe, an unhealthy service listens."""
        await self.host(app_with(broken)).listen(probe=False)
        self.assertEqual(len(self.listened), 1)
