"""``/-/live`` and ``/-/ready``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import svcs
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, App, Cancelled, NotFound, ServiceError, Unavailable
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Security
from unixsvc.datasource.service_clients import NoServices, ServiceClients
from unixsvc.routing.container import ServiceContext
from unixsvc.service.readiness import _MAX_WAITING
from unixsvc.testing import MemoryHttp, MemoryService


class Database:
    """A dependency."""


_NAME = f"{__name__}.Database"


def app_with(ping: Callable[[Any], object], **options: Any) -> App:
    """An application with one dependency, and an action that waits for ever."""

    async def wait() -> None:
        await Deferred()

    def container(registry: svcs.Registry, context: ServiceContext) -> None:
        registry.register_factory(Database, Database, ping=ping)

    return App([GET("/wait", wait, public=True)], container, **options)


class Others(NoServices):
    """Another service, whose answer to each call is an outcome of the test.

    :ivar asked: the calls.
    """

    def __init__(self, outcome: object = None) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, str, str, Any]] = []

    def call(
        self, service: str, method: str, path: str, data: object = None, **options: Any
    ) -> Awaitable[Any]:
        """Record the call."""
        self.asked.append((service, method, path, options.get("timeout")))
        if isinstance(self.outcome, Deferred):
            return self.outcome
        return fail(self.outcome) if isinstance(self.outcome, Exception) else succeed(self.outcome)


def anonymous(app: App, **options: Any) -> MemoryService:
    """A service with a client that has no token."""
    return MemoryService(app, token=None, security=Security(token="private"), **options)


class ReadinessTests(SynchronousTestCase):
    """What probes get over a socket."""

    def setUp(self) -> None:
        """The dependency is there."""
        self.problem: Exception | None = None
        self.pings = 0

    def ping(self, database: Database) -> None:
        """A check."""
        self.pings += 1
        if self.problem is not None:
            raise self.problem

    def unready(self, service: MemoryService) -> Any:
        """The details of the reply 503."""
        return self.failureResultOf(service.get("/-/ready"), Unavailable).value.detail

    def test_live(self) -> None:
        """A service is live, whatever its dependencies do; the route is public."""
        self.problem = OSError("db-7 is gone")
        service = anonymous(app_with(self.ping))
        self.assertEqual(self.successResultOf(service.get("/-/live")), {"state": "live"})
        self.assertEqual(self.pings, 0)

    def test_ready(self) -> None:
        """Callers with a token see each dependency; others see that the service is ready."""
        app = app_with(self.ping)
        self.assertEqual(self.successResultOf(anonymous(app).get("/-/ready")), {"state": "ready"})
        found: Any = self.successResultOf(MemoryService(app).get("/-/ready"))
        [dependency] = found["dependencies"]
        self.assertEqual(found["state"], "ready")
        self.assertEqual((dependency["name"], dependency["state"]), (_NAME, "ok"))
        self.assertEqual(set(dependency), {"name", "state", "seconds", "since"})
        self.assertRegex(dependency["since"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_unready(self) -> None:
        """A failed ping makes it 503. The reason is logged; callers with a token see the dependency."""
        self.problem = OSError("db-7 is gone")
        app = app_with(self.ping)
        self.assertEqual(self.unready(anonymous(app)), {"retry_after": 1.0, "state": "unready"})
        known = self.unready(MemoryService(app))
        self.assertEqual([each["state"] for each in known["dependencies"]], ["failed"])
        self.assertNotIn("db-7", str(known))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)

    def test_token_off(self) -> None:
        """Where no token is needed, callers without one are anonymous all the same."""
        service = MemoryService(app_with(self.ping), token=None, security=Security(token="off"))
        self.assertEqual(self.successResultOf(service.get("/-/ready")), {"state": "ready"})

    def test_recovers(self) -> None:
        """Within a second the answer is the same; after it the dependency is asked again."""
        service = MemoryService(app_with(self.ping))
        self.successResultOf(service.get("/-/ready"))
        self.problem = OSError("gone")
        service.clock.advance(0.5)
        self.successResultOf(service.get("/-/ready"))
        service.clock.advance(0.5)
        self.unready(service)
        self.problem = None
        service.clock.advance(1)
        self.successResultOf(service.get("/-/ready"))
        self.assertEqual((self.pings, len(self.flushLoggedErrors(OSError))), (3, 1))

    def test_shared_with_health(self) -> None:
        """``/-/health`` and ``/-/ready`` share the pings."""
        service = MemoryService(app_with(self.ping))
        self.successResultOf(service.get("/-/health"))
        self.successResultOf(service.get("/-/ready"))
        self.assertEqual(self.pings, 1)

    def test_mounted(self) -> None:
        """A mounted service is asked whether it is live, once, however many mounts lead to it."""
        others = Others({"state": "live"})
        app = app_with(self.ping, mounts={"/a": "user:/", "/b": "user:/b", "/c": "shop"})
        found: Any = self.successResultOf(MemoryService(app, services=others).get("/-/ready"))
        self.assertEqual(others.asked, [(name, "GET", "/-/live", 2.0) for name in ("user", "shop")])
        self.assertEqual(
            [each["name"] for each in found["dependencies"]], [_NAME, "service:user", "service:shop"]
        )

    def test_unreachable(self) -> None:
        """A mounted service that cannot be reached makes it 503; one that answers anything does not."""
        app = app_with(self.ping, mounts={"/a": "user:/"})
        for outcome in (Unavailable(), LookupError("not declared")):
            found = self.unready(MemoryService(app, services=Others(outcome)))
            self.assertEqual([each["state"] for each in found["dependencies"]], ["ok", "failed"])
            self.assertEqual(len(self.flushLoggedErrors(type(outcome))), 1)
        self.successResultOf(MemoryService(app, services=Others(NotFound())).get("/-/ready"))

    def test_health_without_mounts(self) -> None:
        """``/-/health``, which a worker needs to start, does not ask mounted services."""
        app = app_with(self.ping, mounts={"/a": "user:/"})
        self.successResultOf(MemoryService(app, services=Others(Unavailable())).get("/-/health"))


class TimeTests(SynchronousTestCase):
    """Pings that wait."""

    def setUp(self) -> None:
        """Nothing waits yet."""
        self.waiting: list[Deferred[None]] = []

    async def wait(self, database: Database) -> None:
        """A ping."""
        self.waiting.append(Deferred())
        await self.waiting[-1]

    def test_time_limit(self) -> None:
        """A probe waits for 2 s, and those that come later do not wait."""
        service = MemoryService(app_with(self.wait))
        probe = service.get("/-/ready")
        service.clock.advance(1.5)
        self.assertNoResult(probe)
        service.clock.advance(0.5)
        for each in (probe, service.get("/-/ready")):
            error = self.failureResultOf(each, Unavailable).value
            self.assertEqual([it["state"] for it in error.detail["dependencies"]], ["late"])
        self.assertEqual(len(self.waiting), 1)
        self.waiting[0].callback(None)
        self.assertNoResult(service.get("/-/ready"))
        self.assertEqual(len(self.waiting), 2)

    def test_waits(self) -> None:
        """A probe gets the result that it has waited for."""
        service = MemoryService(app_with(self.wait))
        probe = service.get("/-/ready")
        self.waiting[0].callback(None)
        self.successResultOf(probe)

    def test_many(self) -> None:
        """A bounded number of probes wait. Further ones get at once what is known."""
        service = MemoryService(app_with(self.wait), limits=Limits(max_inflight=1))
        probes = [service.get("/-/ready") for _ in range(_MAX_WAITING)]
        self.failureResultOf(service.get("/-/ready"), Unavailable)
        self.waiting[0].callback(None)
        for each in probes:
            self.successResultOf(each)

    def test_takes_no_place(self) -> None:
        """Probes are answered when max_inflight requests are pending, and those that wait count for none."""
        service = MemoryService(app_with(self.wait), limits=Limits(max_inflight=1))
        probe = service.get("/-/ready")
        first, second = service.get("/wait"), service.get("/wait")
        self.assertNoResult(first)
        self.failureResultOf(second, Unavailable)
        self.successResultOf(service.get("/-/live"))
        self.failureResultOf(service.get("/-/ping"), Unavailable)
        self.waiting[0].callback(None)
        self.successResultOf(probe)
        self.failureResultOf(service.get("/wait"), Unavailable)
        first.addErrback(lambda failure: failure.trap(CancelledError, Cancelled)).cancel()
        self.assertNoResult(service.get("/wait"))

    def test_cancelled(self) -> None:
        """A probe that gives up cancels no ping, and leaves no place behind."""
        service = MemoryService(app_with(self.wait), limits=Limits(max_inflight=1))
        service.get("/-/ready").addErrback(lambda failure: failure.trap(CancelledError, Cancelled)).cancel()
        other = service.get("/-/ready")
        self.waiting[0].callback(None)
        self.successResultOf(other)
        self.assertNoResult(service.get("/wait"))
        self.failureResultOf(service.get("/wait"), Unavailable)


class HttpTests(SynchronousTestCase):
    """What load balancers get from a gateway."""

    def setUp(self) -> None:
        """The dependency is there."""
        self.problem: Exception | None = None

    def ping(self, database: Database) -> None:
        """A check."""
        if self.problem is not None:
            raise self.problem

    def gateway(self, others: Others, **options: Any) -> MemoryHttp:
        """A gateway that mounts a service."""
        return MemoryHttp(
            app_with(self.ping), http=Http(mounts={"/users": "user:/"}, **options), services=others
        )

    def test_ready(self) -> None:
        """GET and HEAD are 200, without a body for HEAD, and need no token."""
        gateway = self.gateway(Others({}))
        for path, state in (("/-/ready", "ready"), ("/-/live", "live")):
            response = self.successResultOf(gateway.request("GET", path, headers={"Authorization": ""}))
            self.assertEqual((response.status_code, response.json()), (200, {"state": state}))
            response = self.successResultOf(gateway.request("HEAD", path))
            self.assertEqual((response.status_code, response.content), (200, b""))

    def test_unready(self) -> None:
        """A problem, as any 503, with when to try again; HEAD has the status."""
        self.problem = OSError("gone")
        gateway = self.gateway(Others(Unavailable()))
        response = self.successResultOf(gateway.request("GET", "/-/ready", headers={"Authorization": ""}))
        self.assertEqual((response.status_code, response.headers["Retry-After"]), (503, "1"))
        self.assertEqual(response.json()["state"], "unready")
        self.assertNotIn("dependencies", response.json())
        self.assertEqual(self.successResultOf(gateway.request("HEAD", "/-/ready")).status_code, 503)
        self.flushLoggedErrors(OSError, ServiceError)


class ProbeClientsTests(SynchronousTestCase):
    """The clients for probes."""

    def test_apart(self) -> None:
        """They are others than those of actions, with the same token, also after a change, and are closed."""
        made: list[Any] = []

        class FakeClient:
            def __init__(self, service: str, **location: Any) -> None:
                self.token, self.closed = location["token"], False
                made.append(self)

            def call(self, *call: object, **options: object) -> Deferred[None]:
                return succeed(None)

            def use_token(self, token: str) -> None:
                self.token = token

            def close(self) -> None:
                self.closed = True

        clients = ServiceClients("/run", "old", Clock(), lambda: 0.0, FakeClient)
        clients.call("user", "GET", "/")
        clients.for_probes().call("user", "GET", "/")
        self.assertIs(clients.for_probes(), clients.for_probes())
        clients.use_token("new")
        clients.close()
        self.assertEqual([(each.token, each.closed) for each in made], [("new", True)] * 2)
