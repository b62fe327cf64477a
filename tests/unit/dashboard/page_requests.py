"""A page in memory: a fake orchestrator behind the real site, on connections of strings."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any

from msgspec import Struct
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.dashboard import Dashboard
from unixsvc.dashboard.feed import Feed
from unixsvc.dashboard.operators import Operators, Sessions
from unixsvc.dashboard.pages import DashboardPages
from unixsvc.dashboard.site import PageSite
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.events.log import EventLog
from unixsvc.orchestrator.figures import ProcessFigures, ServiceFigures, WorkerFigures
from unixsvc.orchestrator.inspection.interfaces import EndedList, EndedRequest, ListedRequest, RequestList
from unixsvc.orchestrator.log_feed import feed
from unixsvc.security.access import AcceptedToken, digest_of
from unixsvc.service.inspection.model import Cancellation
from unixsvc.telemetry.log_levels import LevelRule
from unixsvc.telemetry.log_query import LogBatch, LogQuery
from unixsvc.telemetry.log_ring import LogRing
from unixsvc.telemetry.metrics.snapshot import ClientStats, MetricsSnapshot, SeriesCounts

__all__ = ["TOKEN", "FakeOrchestrator", "PageTestCase", "Reply", "figures", "worker"]

TOKEN = "0123456789abcdef" * 4
Headers = Mapping[str, str]
NONE: Headers = {}
_ADDRESS = IPv4Address("TCP", "127.0.0.1", 8090)


def worker(slot: int = 1, pid: int | None = 7, cpu: float = 1.0, **more: Any) -> WorkerFigures:
    """The figures of a worker."""
    usual: dict[str, Any] = {
        "phase": "ready", "generation": 1, "uptime": 5.0, "connections": 2, "inflight": 1, "requests": 10,
        "errors": 1, "lag": 0.001, "process": None if pid is None else ProcessFigures(1000, 200, cpu, 9),
    }  # fmt: skip
    return WorkerFigures(slot, pid, **(usual | more))


def figures(codes: dict[int, int], bucket: int = 100, calls: int = 0, **more: Any) -> ServiceFigures:
    """The figures of a service with one route, whose replies have these codes and one latency."""
    counts = SeriesCounts(codes, {bucket: sum(codes.values())})
    metrics = MetricsSnapshot(
        {"GET /": {"default": counts}},
        services={"other": ClientStats(calls=calls)},
        calls={"other": SeriesCounts({200: calls}, {bucket: calls})},
    )
    usual: dict[str, Any] = {"status": "ready", "metrics": metrics, "exits": {}, "workers": [worker()]}
    return ServiceFigures(**(usual | more))


class FakeOrchestrator:
    """Records the operations.

    :ivar asked: how often figures were requested.
    :ivar done: the operations.
    :ivar events: what has happened.
    :ivar ring: the log, which is read with the clock.
    :ivar problem: the operations fail with it.
    """

    def __init__(self) -> None:
        self.figures_now = {"home": figures({200: 9, 500: 1})}
        self.asked = 0
        self.done: list[tuple[object, ...]] = []
        self.problem: Exception | None = None
        self.inspector = self
        self.events = EventLog()
        self.clock = Clock()
        self.ring = LogRing(100_000)
        self.pending: Deferred[dict[str, ServiceFigures]] | None = None

    def figures(self) -> Awaitable[dict[str, ServiceFigures]]:
        """The figures."""
        self.asked += 1
        return succeed(self.figures_now) if self.pending is None else self.pending

    def reload(self, name: str = "") -> Awaitable[None]:
        """Reload."""
        return self._do("reload", name)

    def restart(self, name: str = "") -> Awaitable[None]:
        """Restart."""
        return self._do("restart", name)

    def scale(self, name: str, workers: int) -> Awaitable[None]:
        """Scale."""
        return self._do("scale", name, workers)

    def set_log_level(self, level: str, about: LevelRule) -> None:
        """Set the level."""
        self.done.append(("level", level, about.service))

    async def requests(self, service: str = "") -> RequestList:
        """The requests in flight."""
        return RequestList([ListedRequest("7f", "call", "GET", "/slow", service="home", pid=7)], [])

    async def ended(self, topic: str, service: str = "") -> EndedList:
        """The slowest or the failed requests."""
        self.done.append((topic, service))
        return EndedList([EndedRequest("7f", 990.0, 2.5, 200, "GET", "/slow/1", "GET /slow/{id}")], [])

    async def logs(self, query: LogQuery) -> AsyncGenerator[LogBatch, None]:
        """The log."""
        self.done.append(("logs", query))
        return feed(self.ring, query, self.clock)

    async def cancel(self, request_id: str, service: str = "") -> Cancellation:
        """Cancel a request."""
        self.done.append(("cancel", request_id, service))
        return Cancellation(1)

    async def _do(self, *operation: object) -> None:
        if self.problem is not None:
            raise self.problem
        self.done.append(operation)


class Reply(Struct):
    """A response.

    :ivar headers: by their names in lower case.
    """

    code: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class PageTestCase(SynchronousTestCase):
    """A test with a page.

    :ivar named: the tokens with names.
    """

    def setUp(self) -> None:
        """Make the page."""
        self.orchestrator = FakeOrchestrator()
        self.clock = self.orchestrator.clock
        self.named: list[AcceptedToken] = [AcceptedToken("oncall", digest_of(TOKEN), ("orchestrator",))]
        self.feed = Feed(self.clock, self.orchestrator.figures, lambda: 1000.0)
        self.file_token = ""
        operators = Operators(lambda: self.named, lambda: self.file_token)
        self.sessions = Sessions(operators, self.clock.seconds)
        orchestrator: Any = self.orchestrator  # it has what the page uses
        self.pages = DashboardPages(orchestrator, self.clock, self.feed, self.sessions, Dashboard())
        self.site = PageSite(self.pages, self.clock)

    def connect(self) -> tuple[Any, StringTransport]:
        """A connection."""
        transport = StringTransport(hostAddress=_ADDRESS)
        protocol = self.site.buildProtocol(_ADDRESS)
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Headers = NONE, host: str = "localhost:8090"
    ) -> StringTransport:
        """Send a request."""
        protocol, transport = self.connect()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        protocol.dataReceived("\r\n".join([*lines, "", ""]).encode() + body)
        self.protocol = protocol
        return transport

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Headers = NONE, host: str = "localhost:8090"
    ) -> Reply:
        """Make a request, and return its response."""
        head, _, content = self.send(method, path, body, headers, host).value().partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        return Reply(int(first.split()[1]), {name.lower(): each for name, each in fields.items()}, content)

    def enter(self, token: str) -> Reply:
        """Send a token, as the page does."""
        headers = {"Origin": "http://localhost:8090", "Authorization": f"Bearer {token}"}
        return self.request("POST", "/session", headers=headers)

    def act(self, name: str, order: bytes, headers: Headers = NONE) -> Reply:
        """Send an order, as the page does."""
        return self.request("POST", f"/actions/{name}", order, headers)

    def log_in(self, token: str = TOKEN) -> dict[str, str]:
        """Log in, and return the headers of the page for actions."""
        reply = self.enter(token)
        self.assertEqual(reply.code, 200, reply.body)
        return {
            "Cookie": reply.headers["set-cookie"].partition(";")[0],
            "X-CSRF-Token": reply.json()["secret"],
            "Origin": "http://localhost:8090",
        }

    def fail_with(self, problem: str) -> None:
        """Let operations fail."""
        self.orchestrator.problem = ConfigError("home", problem)
