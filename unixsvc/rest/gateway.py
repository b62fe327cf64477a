"""The HTTP gateway: requests become messages, replies become responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from msgspec.structs import replace
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Request as WebRequest

from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Forbidden, MethodNotAllowed, ServiceError, Unavailable
from unixsvc.rest.decode import RequestHeaders, decode_meta, decode_path, decode_request
from unixsvc.rest.docs_pages import add_pages
from unixsvc.rest.encode import ResponseBuilder, allowed_methods, response_context
from unixsvc.rest.headers.cross_origin import CrossOriginRules
from unixsvc.rest.headers.forwarded import ProxyRules
from unixsvc.rest.headers.hosts import HostRules, Misdirected
from unixsvc.rest.klein_bridge import KleinBridge
from unixsvc.rest.openapi.document import describe
from unixsvc.rest.pending import PendingResponse
from unixsvc.rest.server.client_account import ClientAccount
from unixsvc.rest.server.twisted_internals import ParsedHeaders
from unixsvc.rest.server.writer import Responder, send
from unixsvc.server.context import HandlerContext
from unixsvc.telemetry.failure_log import FailureLog

__all__ = ["Gateway"]

# The codes of requests that are refused before they are decoded, and logged.
_FOREIGN: Final = (Misdirected.code, Forbidden.code)

Handle = Callable[[Request], Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]]


class Gateway(Resource):
    """A resource of twisted.web that answers with a service's actions, or else with its Klein application.

    It has to be the root of a site, or of everything below one path.

    :param context: the service. Its endpoint is not used here.
    :ivar app: the Klein application with the documentation pages and the application's own routes.
    """

    isLeaf = True

    def __init__(self, context: HandlerContext) -> None:
        super().__init__()
        http = context.http.settings
        self._handle = context.handle
        self._seconds_for = context.handle.seconds_for
        self._has_route = context.has_path
        self._reactor = context.reactor
        self._builder = ResponseBuilder(http)
        self._hosts = HostRules(http.allowed_hosts)
        self._accepted_hosts = self._hosts.accepted
        self._origins = CrossOriginRules(http.cors)
        self._proxies = ProxyRules(http.trusted_proxies) if http.trusted_proxies else None
        self._expects_token = http.token != "off"
        self._pending: set[PendingResponse] = set()
        self._log = FailureLog(context.service)
        self._klein = KleinBridge(
            self._builder, context.failures or self._log, context.reactor, context.limits.request_timeout
        )
        self.app = self._klein.app
        if http.docs and context.contracts is not None:
            add_pages(self.app, partial(_openapi, context.contracts, http.token))
        if context.http.add_routes is not None:
            context.http.add_routes(self.app)
        self._klein.complete()

    @property
    def pending(self) -> int:
        """The number of requests without a complete response."""
        return len(self._pending) + len(self._klein)

    def abort(self) -> None:
        """Answer all pending requests with 503; streams end with it."""
        for pending in list(self._pending):
            pending.cancel(Unavailable())
        self._klein.abort(Unavailable())

    def render(self, request: WebRequest) -> int:
        """Answer a request, at once or later."""
        found = request.requestHeaders
        headers: RequestHeaders = (
            found.fields if type(found) is ParsedHeaders else dict(found.getAllRawHeaders())
        )
        method = request.method
        meta = decode_meta(headers)
        tls = self._proxies is not None and _find_client(self._proxies, request, headers, meta)
        try:
            # These conditions spare most requests the calls. Our parser rejects a second host;
            # twisted.web uses the last one.
            if (hosts := headers.get(b"Host")) and self._accepted_hosts.get(hosts[-1]) is not request.host:
                self._hosts.check(hosts[-1], request.host)
            if b"Origin" in headers or b"Sec-Fetch-Site" in headers:
                self._origins.check(method, headers)
            if method == b"OPTIONS" and self._builder.cors.is_preflight(headers):
                send(request, self._builder.preflight(headers))
                return NOT_DONE_YET
            path = decode_path(request.path, len(request.prepath) if request.prepath else 0)
            if not self._has_route(path) and self._klein.has_route(method, path.encode()):
                message = Request(method.decode("latin-1"), path, meta=meta)
                self._klein.render(request, message, response_context(method, headers, message), tls=tls)
                return NOT_DONE_YET
            query = request.uri.partition(b"?")[2]
            body = b"" if request.content is None else request.content.read()
            message = decode_request(method, path, query, headers, body, meta)
        except ServiceError as error:
            message = Request(method.decode("latin-1"), "/", meta=meta)
            if error.code in _FOREIGN:
                self._log_foreign(request, message, error, headers)
            reply = error_to_reply(error)
            send(request, self._builder.from_reply(reply, response_context(method, headers, message)))
            return NOT_DONE_YET
        tokenless = self._expects_token and message.auth_token is None
        context = response_context(method, headers, message, tokenless=tokenless)
        answer = self._handle(message) if method != b"HEAD" else start(_head(self._handle, message))
        if message.auth_token is not None:
            client: ClientAccount | None = getattr(request.channel, "client", None)
            # None on a site of twisted.web's own. A client that has shown a valid token mostly does so again.
            if client is not None and not (client.authenticated and message.caller.trusted):
                client.token_shown(message.caller)
        if isinstance(answer, Reply):
            send(request, self._builder.from_reply(answer, context))
        else:
            self._wait(Responder(request, context, self._builder), answer, self._seconds_for(message))
        return NOT_DONE_YET

    def _log_foreign(
        self, request: WebRequest, message: Request, error: ServiceError, headers: RequestHeaders
    ) -> None:
        """Log a request that pages of other sites may have made a browser send."""
        names = (b"Host",) if error.code == Misdirected.code else (b"Origin", b"Sec-Fetch-Site")
        name = next(name for name in names if name in headers)
        address = request.getClientAddress()
        client = getattr(address, "host", None) or "a Unix socket"
        self._log.foreign_request(message, error, client, name.decode(), headers[name][-1])

    def _wait(
        self,
        responder: Responder,
        answer: ReplyStream | SuspendedCoroutine[Reply | ReplyStream],
        seconds: float,
    ) -> None:
        pending = PendingResponse(responder, self._reactor, self._pending.discard)
        self._pending.add(pending)
        if isinstance(answer, ReplyStream):
            pending.respond(answer)
        else:
            pending.wait_for(answer, seconds)


def _find_client(
    proxies: ProxyRules, request: WebRequest, headers: RequestHeaders, meta: dict[str, str]
) -> bool:
    """Set the address of the client, for actions and for Klein routes; whether it uses TLS."""
    client = proxies.client(getattr(request.client, "host", ""), headers)
    if client.host:
        meta["client_address"] = client.host
        kind = IPv6Address if ":" in client.host else IPv4Address
        request.client = kind("TCP", client.host, 0)
    return client.tls


async def _head(handle: Handle, message: Request) -> Reply | ReplyStream:
    """The reply to HEAD: that to GET, unless there is a route for HEAD. The encoder drops the body."""
    reply: Reply | ReplyStream = await await_result(handle(message))
    if isinstance(reply, ReplyStream) or reply.code != MethodNotAllowed.code:
        return reply
    if "GET" in allowed_methods(reply.detail):
        reply = await await_result(handle(replace(message, method="GET")))
    return reply


async def _openapi(
    contracts: Callable[[], Awaitable[list[Contract | UnavailableContract]]], token: str
) -> JsonObject:
    return describe(await contracts(), token=token)
