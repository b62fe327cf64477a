"""An application over HTTP in memory: the real router, message handling and gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from treq.testing import StubTreq
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.unit.routing.serving import Serving
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Security
from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IHandleMessage, IRouterDatasource
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import MethodNotAllowed, ServiceError
from unixsvc.rest.gateway import Gateway
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.web.site import HttpSite
from unixsvc.routing.gates import GateFactory
from unixsvc.routing.route import Group, Route
from unixsvc.security.access import AcceptedToken
from unixsvc.security.tokens import TokenGuard
from unixsvc.server.context import HandlerContext, HttpOptions
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics
from unixsvc.testing import MemoryEndpoint, MemoryTransport

__all__ = ["TOKEN", "FakeHandle", "GatewayHarness", "RawClient", "ReceivedCall", "Response", "header_values"]

TOKEN = "0" * 64


class Response(Struct):
    """A response."""

    code: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)

    def header(self, name: str) -> str | None:
        """The value of a header; None if it is missing. It must not occur twice."""
        values = self.headers.getRawHeaders(name)
        assert values is None or len(values) == 1, values
        return None if values is None else values[0]


class GatewayHarness:
    """A gateway with routes.

    :param http: its settings; by default with ``docs`` off.
    :param web: adds pages to its Klein application.
    :param handle: replaces the routes.
    :param policy: the policy for tokens.
    :param tokens: the tokens besides the shared one.
    :param mounts: other datasources by path prefix.
    :param gates: make the gates of the routes.
    """

    def __init__(
        self,
        *routes: Group | Route,
        http: Http | None = None,
        web: Callable[[Any], None] | None = None,
        handle: Any = None,
        policy: str = "private",
        max_inflight: int = 100,
        tokens: tuple[AcceptedToken, ...] = (),
        mounts: Mapping[str, IRouterDatasource] | None = None,
        gates: Sequence[GateFactory] = (),
    ) -> None:
        self.clock = Clock()
        self.stats = ServiceMetrics()
        values = {IReactorTime: self.clock}
        self.serving = Serving(*routes, values=values, gates=gates, series=self.stats.series)
        self.repository = RouterRepository(LibraryDatasource(self.serving.router), mounts, self.stats.series)
        self.handle = handle or HandleMessage(
            self.repository,
            TokenGuard(policy, "shop", TOKEN, tokens, over_http=True),
            self.stats,
            FailureLog("shop"),
            max_inflight=max_inflight,
            request_timeout=30.0,
            now=self.clock.seconds,
        )
        self.limits = Limits()
        self.http = http or Http(docs=False)
        self.gateway = Gateway(
            HandlerContext(
                "shop",
                self.handle,
                MemoryEndpoint(),
                self.limits,
                Security(),
                self.clock,
                TOKEN,
                has_path=self._answers,
                contracts=self._contracts,
                http=HttpOptions(self.http, web, routes, tuple(mounts or ())),
                body_spec=self.serving.router.body_spec if self.serving.router.has_special_bodies else None,
            )
        )
        self.connections = HttpConnections(
            self.http, self.limits, self.clock, body_spec=self.serving.router.body_spec
        )
        self.site = HttpSite(self.gateway, self.connections)
        self.resource = self.gateway.app.resource()
        self.treq: Any = StubTreq(self.resource)

    def _contracts(self) -> Deferred[list[Contract | UnavailableContract]]:
        return succeed([self.serving.router.contract()])

    def _answers(self, path: str) -> bool:
        if self.repository.is_mounted(path):
            return True
        try:
            self.serving.router._table.match("?", path)
        except MethodNotAllowed:
            return True
        except ServiceError:
            return False
        return True

    def start(self, method: str, path: str, token: str | None = None, **options: Any) -> Deferred[Response]:
        """Send a request; fires with the response."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        calls = self.treq.request(method, f"http://localhost{path}", headers=headers, **options)

        def answered(response: Any) -> Any:
            whole = self.treq.content(response)
            return whole.addCallback(lambda body: Response(response.code, response.headers, body))

        found: Deferred[Response] = calls.addCallback(answered)
        return found

    def request(self, method: str, path: str, token: str | None = None, **options: Any) -> Response:
        """Send a request that is answered at once."""
        found: list[Any] = []
        self.start(method, path, token, unbuffered=True, **options).addBoth(found.append)
        self.treq.flush()
        assert isinstance(found[0], Response), found[0]
        return found[0]


class RawClient:
    """A client that sends and receives bytes.

    :param site: the factory of the server's side.
    :param address: the server's address.
    """

    def __init__(self, site: Any, address: Any = None) -> None:
        self.transport = MemoryTransport()
        if address is not None:
            self.transport.hostAddr = address
        if isinstance(address, UNIXAddress):
            self.transport.peerAddr = UNIXAddress("")
        self.channel = site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def request(self, method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
        """Send a request, and return what was received so far."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.channel.dataReceived("\r\n".join([*lines, "", ""]).encode() + body)
        return self.received()

    def received(self) -> bytes:
        """The bytes that were received since the last call."""
        found: bytes = self.transport.value()
        self.transport.clear()
        return found


def header_values(response: bytes, name: bytes) -> list[bytes]:
    """The values of a header in a response's bytes."""
    lines = response.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [value for key, _, value in (each.partition(b": ") for each in lines) if key == name]


class ReceivedCall(Struct):
    """One request as it reached the message handling, and its reply."""

    request: Request
    response: Deferred[Any]


@implementer(IHandleMessage)
class FakeHandle:
    """Records requests, and replies at once or when a test says so.

    :ivar calls: the requests.
    :ivar reply: the reply to all; None to wait for that of each call.
    :ivar pages: the requests for pages that have ended, with their codes and sizes.
    """

    def __init__(self, reply: Reply | ReplyStream | None = None) -> None:
        self.calls: list[ReceivedCall] = []
        self.reply = reply
        self.pages: list[tuple[Request, int, int]] = []

    def track(self, request: Request) -> Callable[[int, int], None]:
        """Admit every page, and record how it has ended."""
        return lambda code, size: self.pages.append((request, code, size))

    def hold_back(self, wait: object) -> None:
        """Nothing waits."""

    def seconds_for(self, request: Request) -> float:
        """The time-out."""
        return 30.0

    def __call__(self, request: Request) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        """Handle a request."""
        return start(self._reply_later(request))

    async def _reply_later(self, request: Request) -> Reply | ReplyStream:
        call = ReceivedCall(request, Deferred())
        self.calls.append(call)
        if self.reply is not None:
            return self.reply
        found: Reply | ReplyStream = await call.response
        return found
