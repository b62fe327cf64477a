"""Tests of the control API."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred, DeferredQueue, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from tests.unit.support.counted import replies
from unixsvc.config.settings import CONTROL_SERVICE, Limits, Log, Security, ServiceSettings, Settings
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.domain.message import Caller, Peer, Request
from unixsvc.errors import ConfigError, Conflict, Forbidden, Internal, Invalid, NotFound
from unixsvc.orchestrator.control import Control, WantedSession, control_app, control_settings
from unixsvc.orchestrator.debugging.session import DebugEvent, DebugSession
from unixsvc.orchestrator.debugging.terminal import LentTerminal
from unixsvc.orchestrator.events.log import EventLog
from unixsvc.orchestrator.figures import ServiceFigures, service_figures
from unixsvc.orchestrator.inspection.interfaces import (
    EndedList,
    IInspector,
    MemoryResult,
    ProfileResult,
    RequestList,
)
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.status import PoolSnapshot, ServiceStatus, WorkerSnapshot, describe
from unixsvc.orchestrator.tokens.interfaces import ITokens, ServiceAccess, TokenEntry
from unixsvc.security.control_guard import ControlGuard, ControlRules
from unixsvc.service.factory import make_service_host
from unixsvc.service.inspection.model import Cancellation
from unixsvc.service.spec import StatsReport, WorkerConfig
from unixsvc.telemetry.log_levels import LevelRule
from unixsvc.telemetry.log_query import LogBatch, LogQuery
from unixsvc.testing import MemoryEndpoint, MemoryService
from unixsvc.testing.memory import ImmediateRunner

_READS = (
    ("GET", "/status"), ("GET", "/metrics"), ("GET", "/services"), ("GET", "/-/ping"), ("GET", "/-/health"),
    ("GET", "/-/routes"), ("GET", "/-/stats"), ("GET", "/-/live"), ("GET", "/-/ready"), ("GET", "/tokens"),
    ("GET", "/requests"), ("GET", "/events"),
    ("GET", "/requests/slowest"), ("GET", "/requests/failed"),
)  # fmt: skip
_CHANGES = (
    ("POST", "/reload"), ("POST", "/restart"), ("POST", "/start"), ("POST", "/stop"), ("POST", "/scale"),
    ("PUT", "/log/level"), ("POST", "/tokens/access"), ("POST", "/tokens/rotate"),
    ("POST", "/tokens/revoke"), ("POST", "/debug"), ("POST", "/requests/cancel"),
    ("POST", "/profile"), ("POST", "/memory"),
    ("POST", "/logs"),
)  # fmt: skip
# Has no end.
_STREAM = ("GET", "/events/follow")
SETTINGS = Settings("x.toml", "/", "/run", 0o660, "/t", Limits(), Security(), {}, Log())


@implementer(ITokens)
class FakeTokens:
    """Has one named token and records its calls.

    :ivar calls: the calls, in order.
    :ivar answer: the result of each change.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answer: Deferred[None] = succeed(None)

    def access(self, service: str) -> ServiceAccess:
        """A token."""
        self.calls.append(("access", service))
        return ServiceAccess("ab" * 32, 7.0)

    def entries(self) -> list[TokenEntry]:
        """One token."""
        return [TokenEntry("billing", ("shop",), (), "revoked")]

    def rotate(self, overlap: float) -> Deferred[None]:
        """Record it."""
        self.calls.append(("rotate", overlap))
        return self.answer

    def revoke(self, name: str) -> Deferred[None]:
        """Record it."""
        self.calls.append(("revoke", name))
        return self.answer


@implementer(IInspector)
class FakeInspector:
    """Finds nothing."""

    async def requests(self, service: str = "") -> RequestList:
        """None."""
        return RequestList([], [])

    async def ended(self, topic: str, service: str = "") -> EndedList:
        """None."""
        return EndedList([], [])

    async def profile(self, service: str, seconds: float, pid: int | None = None) -> ProfileResult:
        """An empty one."""
        return ProfileResult(seconds, 0.0, [], {}, [])

    async def memory(self, service: str, seconds: float, pid: int | None = None) -> MemoryResult:
        """None."""
        return MemoryResult([], [])

    async def cancel(self, request_id: str, service: str = "") -> Cancellation:
        """One."""
        return Cancellation(1)


class FakeSession:
    """A debug session whose events a test chooses.

    :ivar closed: whether its caller has left it.
    """

    def __init__(self) -> None:
        self.events: DeferredQueue[DebugEvent] = DeferredQueue()
        self.closed = False

    def next_event(self) -> Deferred[DebugEvent]:
        """Wait for one."""
        return self.events.get()

    def close(self) -> None:
        """Record it."""
        self.closed = True


@implementer(IOrchestrator)
class FakeOrchestrator:
    """Has one service and records its calls.

    :ivar calls: the calls, in order.
    :ivar answer: the result of each operation.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answer: Deferred[None] = succeed(None)
        self.tokens = FakeTokens()
        self.inspector = FakeInspector()
        self.events = EventLog()
        self.session = FakeSession()
        self.debugged = ""

    def register(self, name: str, settings: Any) -> None:
        """Not used."""

    async def status(self) -> dict[str, ServiceStatus]:
        """One service with one worker."""
        return {"home": describe(ServiceSettings("home:app"), self._snapshot(), stopping=False)}

    async def figures(self) -> dict[str, ServiceFigures]:
        """Those of the same service."""
        return {"home": service_figures(self._snapshot(), stopping=False)}

    def _snapshot(self) -> PoolSnapshot:
        worker = WorkerSnapshot(7, "ready", 1.5, StatsReport(), replies(3), 4)
        return PoolSnapshot([worker], problem="no disk", listen=("unix:/run/s",), exits={"crash": 2})

    def healthy(self) -> bool:
        """Its worker is ready."""
        return True

    def reload(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("reload", name)

    def start(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("start", name)

    def stop(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("stop", name)

    def restart(self, name: str = "") -> Deferred[None]:
        """Record it."""
        return self._ask("restart", name)

    def scale(self, name: str, workers: int) -> Deferred[None]:
        """Record it."""
        return self._ask("scale", name, workers)

    async def debug(self, name: str, terminal: LentTerminal) -> DebugSession:
        """Record it."""
        await self._ask("debug", name, terminal.path)
        return cast(DebugSession, self.session)

    def is_debugged(self, name: str) -> bool:
        """Whether it is the service that the test says."""
        return name == self.debugged

    async def logs(self, query: LogQuery) -> AsyncGenerator[LogBatch, None]:
        """Return a stream with one batch."""
        self.calls.append(("logs", query))

        async def batches() -> AsyncGenerator[LogBatch, None]:
            yield LogBatch([], 7)

        return batches()

    def set_log_level(self, level: str, about: LevelRule | None = None) -> None:
        """Record it."""
        self.calls.append(("level", level))

    def _ask(self, *what: Any) -> Deferred[None]:
        self.calls.append(what)
        return self.answer


class ControlTests(SynchronousTestCase):
    """The routes of the control API."""

    def setUp(self) -> None:
        """Serve the control API in memory."""
        self.orchestrator = FakeOrchestrator()
        self.service = MemoryService(control_app(self.orchestrator))

    def test_interface(self) -> None:
        """The orchestrator and the fake provide the interface."""
        verifyClass(IOrchestrator, Orchestrator)
        verifyObject(IOrchestrator, self.orchestrator)
        verifyObject(ITokens, self.orchestrator.tokens)

    def test_status(self) -> None:
        """The status of every service has the keys that scripts read."""
        status = self.successResultOf(self.service.get("/status"))["home"]
        self.assertEqual((status["pid"], status["class"], status["requests"]), (7, "home:app", 3))
        self.assertAlmostEqual(status["avgResponseTime"], 0.0)
        self.assertEqual(status["problem"], "no disk")
        self.assertEqual(status["workers"][0]["generation"], 4)

    def test_metrics(self) -> None:
        """The figures have the replies by route and caller, and each worker."""
        figures = self.successResultOf(self.service.get("/metrics"))["home"]
        self.assertEqual((figures["status"], figures["exits"]), ("ready", {"crash": 2}))
        expected = {"GET /": {"": {"codes": {"200": 3}, "buckets": {"0": 3}}}}
        self.assertEqual(figures["metrics"]["series"], expected)
        [worker] = figures["workers"]
        self.assertEqual((worker["pid"], worker["generation"], worker["requests"]), (7, 4, 3))

    def test_services(self) -> None:
        """The configured services are listed, with where they listen."""
        handler = "unixsvc.server.handler:SocketRequestHandler"
        entry = {"name": "home", "app": "home:app", "status": "ready", "handler": handler}
        expected = [{**entry, "listen": ["unix:/run/s"]}]
        self.assertEqual(self.successResultOf(self.service.get("/services")), expected)

    def test_operations(self) -> None:
        """Operations act on all services or on one; the reply is sent when they are done."""
        for command in "reload", "restart", "start", "stop":
            self.orchestrator.answer = Deferred()
            one = self.service.post(f"/{command}", service="home")
            self.assertNoResult(one)
            self.orchestrator.answer.callback(None)
            self.assertIsNone(self.successResultOf(one))
            self.assertIsNone(self.successResultOf(self.service.post(f"/{command}")))
            self.assertEqual(self.orchestrator.calls, [(command, "home"), (command, "")])
            self.orchestrator.calls.clear()

    def test_scale(self) -> None:
        """The number of workers is validated."""
        self.successResultOf(self.service.post("/scale", service="home", workers=3))
        for wrong in 0, -1, 1025, "many":
            self.failureResultOf(self.service.post("/scale", service="home", workers=wrong), Invalid)
        self.assertEqual(self.orchestrator.calls, [("scale", "home", 3)])

    def test_debug(self) -> None:
        """The events of a debug session are a stream; the session is closed when the caller leaves it."""
        session, peer = self.orchestrator.session, Peer(os.geteuid(), 0, 1)
        request = cast(Request, SimpleNamespace(peer=peer))
        wanted = WantedSession("home", LentTerminal("/dev/pts/1", 1, 4))
        stream = Control(self.orchestrator).debug(request, wanted)
        first = Deferred.fromCoroutine(anext(stream))
        self.assertNoResult(first)
        session.events.put(DebugEvent("ready", 7))
        self.assertEqual(self.successResultOf(first), DebugEvent("ready", 7))
        self.assertEqual(self.orchestrator.calls, [("debug", "home", "/dev/pts/1")])
        self.assertFalse(session.closed)
        self.successResultOf(Deferred.fromCoroutine(stream.aclose()))
        self.assertTrue(session.closed)

    def test_log_level(self) -> None:
        """The log level is validated."""
        self.successResultOf(self.service.put("/log/level", level="debug"))
        self.failureResultOf(self.service.put("/log/level", level="loud"), Invalid)
        self.assertEqual(self.orchestrator.calls, [("level", "debug")])

    def test_tokens(self) -> None:
        """Tokens are listed without their text; the token for calls is another request."""
        entries = self.successResultOf(self.service.get("/tokens"))
        self.assertEqual(
            entries, [{"name": "billing", "services": ["shop"], "routes": [], "state": "revoked"}]
        )
        refused = self.service.post("/tokens/access", service="shop")  # the peer is not known
        self.failureResultOf(refused, Forbidden)
        self.assertEqual(self.orchestrator.tokens.calls, [])

    def test_change_tokens(self) -> None:
        """The reply to a change is sent when it is done; the overlap is validated."""
        tokens = self.orchestrator.tokens
        for path, data in (("rotate", {"overlap": 60}), ("revoke", {"name": "billing"})):
            tokens.answer = Deferred()
            done = self.service.post(f"/tokens/{path}", **data)
            self.assertNoResult(done)
            tokens.answer.callback(None)
            self.assertIsNone(self.successResultOf(done))
        self.assertEqual(tokens.calls, [("rotate", 60.0), ("revoke", "billing")])
        for wrong in (-1, 1e9, "1h"):
            self.failureResultOf(self.service.post("/tokens/rotate", overlap=wrong), Invalid)

    def test_conflict(self) -> None:
        """An operation that cannot succeed is a conflict, with the whole error."""
        error = ConfigError("services.home", "cannot start: no disk", "buy one")
        for command in "reload", "restart", "start", "stop":
            self.orchestrator.answer = fail(error)
            found = self.failureResultOf(self.service.post(f"/{command}"), Conflict).value
            self.assertEqual(found.detail, "services.home: cannot start: no disk; buy one")

    def test_no_such_service(self) -> None:
        """An unknown service is a 404."""
        self.orchestrator.answer = fail(NotFound("there is no service 'hose'; there are: home"))
        found = self.failureResultOf(self.service.post("/start", service="hose"), NotFound).value
        self.assertIn("there are: home", found.detail)

    def test_unexpected_error(self) -> None:
        """An unexpected error is logged and not sent to the client."""
        self.orchestrator.answer = fail(ValueError("secret"))
        found = self.failureResultOf(self.service.post("/reload"), Internal).value
        self.assertIsNone(found.detail)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_settings(self) -> None:
        """The control API runs inline, with a long request timeout and small limits of its own."""
        settings = control_settings(SETTINGS, ControlRules())
        self.assertEqual(list(settings.services), ["orchestrator"])
        service = settings.services[CONTROL_SERVICE]
        self.assertEqual((service.isolation, settings.socket_mode), ("inline", 0o600))
        limits = service.limits(SETTINGS.limits)
        self.assertGreaterEqual(limits.request_timeout, 3600)
        self.assertEqual((limits.max_connections, limits.idle_timeout, limits.message_timeout), (16, 5, 5))

    def test_socket_mode(self) -> None:
        """If other users are listed, the socket admits all, as the kernel reports who they are."""
        settings = control_settings(SETTINGS, ControlRules(read_uids=frozenset({5})))
        self.assertEqual(settings.socket_mode, 0o666)


class AccessTests(SynchronousTestCase):
    """The routes of the control API for callers with different permissions."""

    def setUp(self) -> None:
        """Serve the control API to a caller that the test chooses."""
        self.orchestrator = FakeOrchestrator()
        self.replies: dict[str, dict[str, Any]] = {}
        self.guard = ControlGuard(ControlRules(), lambda transport: (), uid=lambda: 1000)
        gc.collect()  # what other tests have left behind would take itself for another user's
        self.patch(os, "geteuid", lambda: 1000)

    def codes(self, uid: int, *, policy: Any = "off") -> dict[str, int]:
        """The code of each route for a user."""
        clock, endpoint = Clock(), MemoryEndpoint()
        config = WorkerConfig(
            "orchestrator", 1, ".", ServiceSettings("x:app"), Limits(), Security(policy), Log(), "0" * 64
        )

        def admission(caller: Caller, transport: object) -> Forbidden | None:
            caller.known_peer = Peer(uid, uid, 0)
            return self.guard.connect(caller, transport)

        making = make_service_host(
            config,
            control_app(self.orchestrator),
            endpoint,
            clock,
            blocking=ImmediateRunner(),
            guard=self.guard,
            admission=admission,
        )
        run_without_waiting(making).listen(probe=False)
        found = {}
        self.orchestrator.session.events.put(DebugEvent("ended"))
        for method, path in [*_READS, *_CHANGES]:
            connection, transport = endpoint.connect()
            data = {"level": "info", "service": "home", "workers": 2, "overlap": 0, "name": "x"}
            data |= {"terminal": {"path": "/dev/pts/1", "device": 1, "inode": 4}}
            connection.dataReceived(
                json.dumps(
                    {"id": 1, "method": method, "path": path, "data": data, "auth_token": "x"}
                ).encode()
                + b"\n"
            )
            clock.advance(1)
            self.replies[path] = cast(dict[str, Any], transport.lines()[-1])
            found[path] = self.replies[path]["code"]
        return found

    def test_all_routes(self) -> None:
        """These are all routes that there are."""
        contract = self.successResultOf(MemoryService(control_app(self.orchestrator)).get("/-/routes"))
        routes = {(route["method"], route["path"]) for route in contract["routes"]}
        self.assertEqual(routes, {*_READS, *_CHANGES, _STREAM})

    def test_own_user(self) -> None:
        """The orchestrator's own user may use every route, whatever token it sends, under any policy."""
        for policy in "off", "required", "private":
            self.assertNotIn(403, self.codes(1000, policy=policy).values())
            self.assertNotIn(401, self.codes(1000, policy=policy).values())

    def test_token(self) -> None:
        """The token is for the orchestrator's own user and root, not for others who may control it."""
        self.guard.rules = ControlRules(frozenset({5}))
        codes = {uid: self.codes(uid)["/tokens/access"] for uid in (0, 5, 1000)}
        self.assertEqual(codes, {0: 200, 5: 403, 1000: 200})
        self.assertEqual(self.orchestrator.tokens.calls.count(("access", "home")), 2)
        self.assertEqual(self.replies["/tokens/access"]["data"]["request_timeout"], 7)

    def test_timeout_of_debugged(self) -> None:
        """A client that has no timeout of its own waits for a service that is debugged."""
        self.orchestrator.debugged = "home"
        self.codes(1000)
        self.assertGreater(self.replies["/tokens/access"]["data"]["request_timeout"], 86_400)

    def test_debug(self) -> None:
        """A debugger gives control of the process: it is not for others who may control the orchestrator."""
        self.guard.rules = ControlRules(frozenset({5}))
        for uid, code in ((0, 200), (5, 403), (1000, 200)):
            self.assertEqual((uid, self.codes(uid)["/debug"]), (uid, code))
        self.assertEqual(self.orchestrator.calls.count(("debug", "home", "/dev/pts/1")), 2)

    def test_other_user(self) -> None:
        """Another user may use no route, whatever the policy for tokens is."""
        for policy in "off", "required", "private":
            self.assertEqual(set(self.codes(5, policy=policy).values()), {403})
        self.assertEqual(self.orchestrator.calls, [])

    def test_reader(self) -> None:
        """A user that may only read may use the routes that change nothing."""
        self.guard.rules = ControlRules(read_uids=frozenset({5}))
        codes = self.codes(5)
        self.assertEqual({path for path, code in codes.items() if code == 200}, {path for _, path in _READS})
        self.assertEqual({codes[path] for _, path in _CHANGES}, {403})
        self.assertEqual(self.orchestrator.calls, [])
