"""The HTTP gateway: the path of one request from its head and body to its response.

:meth:`Gateway.answer` is all of it: checks of the host and of the origin, the message
(:mod:`unixsvc.rest.decode`), the use case, the response (:mod:`unixsvc.rest.encode`). Before, the connection
parses the bytes (:mod:`unixsvc.rest.server.parser`); afterwards it writes the response.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from msgspec.structs import force_setattr, replace
from twisted.internet.address import IPv4Address, IPv6Address

from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.domain.body_spec import MAX_BODY, BodyKind, BodySpec
from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream
from unixsvc.domain.uploads.interfaces import Upload
from unixsvc.errors import Forbidden, MethodNotAllowed, ServiceError, TooLarge, Unavailable
from unixsvc.rest.bodies import NotAnObject
from unixsvc.rest.decode import HeaderFacts, RequestHeaders, decode_path, decode_request
from unixsvc.rest.docs_pages import add_pages
from unixsvc.rest.encode import ResponseBuilder, ResponseContext, allowed_methods
from unixsvc.rest.files.responder import FileResponder
from unixsvc.rest.headers.cross_origin import CrossOriginRules
from unixsvc.rest.headers.forwarded import ForwardedClient, ProxyRules
from unixsvc.rest.pages.admission import PageAdmission
from unixsvc.rest.pending import PendingResponse
from unixsvc.rest.response import EMPTY, Response
from unixsvc.rest.server.interfaces import RequestConnection
from unixsvc.rest.server.refused_request import path_of
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.server.writer import Responder
from unixsvc.rest.uploads.request_upload import RequestUpload
from unixsvc.rest.uploads.uploads import Uploads
from unixsvc.rest.web.klein_app import ServiceKlein
from unixsvc.rest.web.klein_bridge import KleinBridge
from unixsvc.rest.websocket.support import make_sessions
from unixsvc.security.hosts import HostRules, Misdirected
from unixsvc.server.context import HandlerContext
from unixsvc.server.pending_call import PendingCall
from unixsvc.telemetry.failure_log import FailureLog

__all__ = ["Gateway"]

_ANY_JSON: Final = BodySpec(BodyKind.ANY_JSON)  # a mounted service decides
_NO_CONTENT: Final = 204
# The codes of requests that are refused before they are decoded, and logged.
_FOREIGN: Final = (Misdirected.code, Forbidden.code)

Handle = Callable[[Request], Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]]


class Gateway:
    """Answers HTTP requests with a service's actions, or else with its Klein application.

    :param context: the service. Its endpoint is not used here.
    :param app: the Klein application that has the service's routes; one is made if it is None.
    :ivar app: the same, with the documentation pages and the application's own routes.
    """

    def __init__(self, context: HandlerContext, app: ServiceKlein | None = None) -> None:
        http = context.http.settings
        self._handle = context.handle
        self._seconds_for = context.handle.seconds_for
        self._has_route = context.has_path
        self._has_get_only = context.http.has_get_only
        self._body_spec = context.body_spec
        self._is_mounted = context.is_mounted
        self._usual_bodies = context.body_spec is None and not context.http.mounts
        self._reactor = context.reactor
        self._builder = ResponseBuilder(http)
        self._files = FileResponder(self._builder, context.reactor)
        self._hosts = HostRules(http.allowed_hosts)
        self._accepted_hosts = self._hosts.accepted
        self._origins = CrossOriginRules(http.cors)
        self._proxies = ProxyRules(http.trusted_proxies, http.proxy_header) if http.trusted_proxies else None
        self._expects_token = http.token != "off"
        self._pending: set[PendingResponse] = set()
        self._uploads = Uploads(http, context.limits, context.reactor)
        self._sessions = make_sessions(context, self._builder, self._origins)
        self._log = FailureLog(context.service)
        self._on_refused = context.on_refused
        self.app = app or ServiceKlein(context.http.routes, context.http.mounts)
        self._pages = PageAdmission(context)
        self._klein = KleinBridge(
            self.app,
            self._pages,
            self._builder,
            context.failures or self._log,
            context.reactor,
            context.limits.request_timeout,
        )
        if context.http.interceptors is not None:
            self._klein.intercept(context.http.interceptors)
        if context.http.add_pages is not None:
            context.http.add_pages(self._klein.route_of)
        if http.docs and context.contracts is not None:
            add_pages(self.app, partial(_openapi, context.contracts, http.token))
        if context.http.add_routes is not None:
            context.http.add_routes(self.app)
        self.app.dispatch.start(self, self._klein, context.http.run)

    @property
    def pending(self) -> int:
        """The number of requests without a complete response."""
        return len(self._pending) + len(self._klein) + len(self._sessions or ())

    def pending_calls(self) -> list[PendingCall]:
        """The requests without a complete response whose actions wait."""
        sessions = () if self._sessions is None else self._sessions.calls()
        running = (pending.running for pending in self._pending)
        return [*filter(None, running), *self._klein.calls(), *sessions]

    def drain(self) -> None:
        """Ask the clients of WebSockets to connect again, to another worker."""
        if self._sessions is not None:
            self._sessions.drain()

    def abort(self) -> None:
        """Answer all pending requests with 503; streams end with it."""
        if self._sessions is not None:
            self._sessions.abort(Unavailable())
        for pending in list(self._pending):
            pending.cancel(Unavailable())
        self._klein.abort(Unavailable())

    def answer(  # noqa: C901 # calls would cost more
        self, head: Head, body: bytes, connection: RequestConnection, page: bool | None = None
    ) -> Response | None:
        """Answer a request.

        :param page: whether the path is that of a page, as Klein has found; None to look it up.
        :returns: the response; None if it is written later, or by a request of twisted.web.
        """
        method, block = head.method, head.block
        facts = block.facts
        if facts is None:
            facts = block.facts = self._builder.read_headers(block.fields)
        meta = facts.meta.copy()
        proxied = _find_client(self._proxies, connection, facts, meta) if self._proxies else None
        try:
            # These conditions spare most requests the calls.
            if facts.host and self._accepted_hosts.get(facts.host) is not connection.host:
                self._hosts.check(facts.host, connection.host)
            if facts.websocket and self._sessions is not None and method == b"GET":
                self._sessions.upgrade(head, connection, facts, meta)
                return None
            if facts.from_browser:
                self._origins.check(method, facts.headers)
            if method == b"OPTIONS" and (response := self._options(head)) is not None:
                return response
            target, _, query = head.target.partition(b"?")
            path = decode_path(target)
            if (self._klein.may_have(path) and self._is_page(method, path)) if page is None else page:
                message = Request(
                    method.decode("latin-1"),
                    path,
                    query=query.decode("latin-1"),
                    meta=meta,
                    headers=facts.headers,
                    peer_address=connection.peer,
                )
                return self._render_page(head, body, connection, message, proxied)
            if self._usual_bodies or (not body and (self._body_spec is None or method == b"GET")):
                message = decode_request(method, path, query, facts, body, meta, connection.peer)
            else:
                message = self._decode(method, path, query, facts, body, meta, connection)
        except ServiceError as error:
            return self._refusal(error, head, facts, connection, meta)
        if proxied is not None or connection.secure:
            self._set_client(message, connection, proxied)
        reply = self._handle(message) if method != b"HEAD" else start(self._head(message))
        tokenless = False
        if facts.token is None:
            tokenless = self._expects_token
        elif (account := connection.client) and not (account.authenticated and message.caller.trusted):
            account.token_shown(message.caller)  # one that has shown a valid token mostly does so again
        context = ResponseContext(method, facts, message.request_id, tokenless)
        if isinstance(reply, Reply) and (reply.head is None or reply.head.file is None):
            if message.extras is not None and message.upload is not None:
                message.upload.close()
            return self._builder.from_reply(reply, context)
        responder = Responder(connection.writer(head), context, self._builder, self._files)
        self._wait(responder, reply, message)
        return None

    def _decode(
        self,
        method: bytes,
        path: str,
        query: bytes,
        facts: HeaderFacts,
        body: bytes,
        meta: dict[str, str],
        connection: RequestConnection,
    ) -> Request:
        """The message of a request that has a body, or whose body may arrive later."""
        spec = None if self._body_spec is None else self._body_spec(method.decode("latin-1"), path)
        if spec is not None and spec.max_body is not None and len(body) > spec.max_body:
            raise TooLarge(spec.max_body, MAX_BODY)
        if spec is not None and spec.arrives_later:
            message = decode_request(method, path, query, facts, b"", meta, connection.peer)
            message.own_extras().upload = self._uploads.start(facts.headers, body, connection.incoming)
            return message
        if spec is not None and not spec.routed:
            body = b""  # the client has to know that there is no route, whatever the body is
        try:
            return decode_request(method, path, query, facts, body, meta, connection.peer, spec)
        except NotAnObject:
            if spec is not None or not self._is_mounted(path):
                raise
        return decode_request(method, path, query, facts, body, meta, connection.peer, _ANY_JSON)

    def _options(self, head: Head) -> Response | None:
        """The response to a preflight request, or to a question about the whole server."""
        if self._builder.cors.is_preflight(head.fields):
            return self._builder.preflight(head.fields)
        return Response(_NO_CONTENT, EMPTY, b"") if head.target == b"*" else None

    async def _head(self, message: Request) -> Reply | ReplyStream:
        """The reply to HEAD: that to GET, unless there is a route for HEAD. The encoder drops the body."""
        if self._has_get_only is not None and self._has_get_only(message.path):
            return await await_result(self._handle(replace(message, method="GET")))
        reply: Reply | ReplyStream = await await_result(self._handle(message))
        if isinstance(reply, ReplyStream) or reply.code != MethodNotAllowed.code:
            return reply
        if "GET" in allowed_methods(reply.detail):  # of a mounted service
            message.take_reply_headers()  # of this attempt; the next one adds its own
            reply = await await_result(self._handle(replace(message, method="GET")))
        return reply

    def _is_page(self, method: bytes, path: str) -> bool:
        return not self._has_route(path) and self._klein.has_route(method, path)

    def _render_page(
        self,
        head: Head,
        body: bytes,
        connection: RequestConnection,
        message: Request,
        proxied: ForwardedClient | None,
    ) -> Response | None:
        """Have a Klein route answer; the response if the request is not admitted."""
        facts = head.block.facts or self._builder.read_headers(head.fields)
        context = ResponseContext(head.method, facts, message.request_id)
        try:
            ended = self._pages.admit(message)
        except ServiceError as error:  # it is counted and logged
            return self._builder.from_reply(error_to_reply(error), context)
        request = connection.web_request(head, body)
        if proxied is not None and proxied.host:
            request.client = _address_of(proxied)
        self._klein.render(request, message, context, ended, tls=proxied is not None and proxied.tls)
        return None

    def _set_client(
        self, message: Request, connection: RequestConnection, proxied: ForwardedClient | None
    ) -> None:
        """Set what is known of the client, which may be behind reverse proxies."""
        if proxied is None:
            message.own_extras().secure = connection.secure
            return
        direct = proxied.host == _host_of(connection)
        if not direct:
            force_setattr(message, "peer_address", _address_of(proxied))
        message.own_extras().secure = proxied.tls or (direct and connection.secure)
        if proxied.requested and self._hosts.lists(proxied.requested):
            message.own_extras().forwarded_host = proxied.requested

    def _refusal(
        self,
        error: ServiceError,
        head: Head,
        facts: HeaderFacts,
        connection: RequestConnection,
        meta: dict[str, str],
    ) -> Response:
        """The response to a request that is no message."""
        message = Request(
            head.method.decode("latin-1"),
            path_of(head.target),
            meta=meta,
            headers=facts.headers,
            peer_address=connection.peer,
        )
        if error.code in _FOREIGN:
            self._log_foreign(connection, message, error, facts.headers)
        context = ResponseContext(head.method, facts, message.request_id)
        response = self._builder.from_reply(error_to_reply(error), context)
        if self._on_refused is not None:
            self._on_refused(message, response.code, len(response.body))
        return response

    def _log_foreign(
        self, connection: RequestConnection, message: Request, error: ServiceError, headers: RequestHeaders
    ) -> None:
        """Log a request that pages of other sites may have made a browser send."""
        names = (b"Host",) if error.code == Misdirected.code else (b"Origin", b"Sec-Fetch-Site")
        name = next(name for name in names if name in headers)
        client = message.meta.get("client_address") or _host_of(connection) or "a Unix socket"
        self._log.foreign_request(message, error, client, name.decode(), headers[name][-1])

    def _wait(
        self,
        responder: Responder,
        answer: Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream],
        message: Request,
    ) -> None:
        upload, seconds = message.upload, self._seconds_for(message)
        finished = self._pending.discard if upload is None else partial(self._end_upload, upload)
        pending = PendingResponse(responder, self._reactor, finished)
        self._pending.add(pending)
        if isinstance(answer, Reply | ReplyStream):
            pending.respond(answer)
        else:
            pending.wait_for(answer, seconds)
        if isinstance(upload, RequestUpload):
            self._uploads.limit_time(upload, pending, message.timeout)

    def _end_upload(self, upload: Upload, pending: PendingResponse) -> None:
        self._pending.discard(pending)
        upload.close()


def _find_client(
    proxies: ProxyRules, connection: RequestConnection, facts: HeaderFacts, meta: dict[str, str]
) -> ForwardedClient:
    """The client behind reverse proxies; actions find its address in ``meta``."""
    client = proxies.client(_host_of(connection), facts.headers)
    if client.host:
        meta["client_address"] = client.host
    return client


def _address_of(client: ForwardedClient) -> IPv4Address | IPv6Address:
    kind = IPv6Address if ":" in client.host else IPv4Address
    return kind("TCP", client.host, client.port)


def _host_of(connection: RequestConnection) -> str:
    """The address of the client; empty on a Unix socket."""
    return getattr(connection.peer, "host", "")


async def _openapi(
    contracts: Callable[[], Awaitable[list[Contract | UnavailableContract]]], token: str
) -> JsonObject:
    # Late: only the documentation needs it.
    from unixsvc.rest.openapi.document import describe

    return describe(await contracts(), token=token)
