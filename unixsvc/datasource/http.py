"""The datasource of a service with an HTTP API."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import treq
from treq.client import HTTPClient
from twisted.internet import error as network
from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IReactorUNIX
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed, ResponseNeverReceived
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from unixsvc.domain.idempotency_key import META_KEY, with_own_key
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.json import NOT_JSON, Json, JsonObject
from unixsvc.domain.message import EMPTY, Reply, Request
from unixsvc.domain.trace_context import inherited_meta
from unixsvc.errors import BadGateway, DeadlineExceeded, TooLarge, Unavailable, error_from
from unixsvc.socket_directory import check_socket_path

__all__ = ["HttpDatasource", "client_over_unix"]

_WITHOUT_BODY: Final = ("GET", "HEAD", "DELETE", "OPTIONS")
_TIMEOUT: Final = 30.0  # seconds, if the caller has no limit
_TIMED_OUT: Final = (CancelledError, network.TimeoutError)
_UNREACHABLE: Final = (ConnectError, DNSLookupError)
_BROKEN: Final = (ConnectionClosed, ResponseFailed, ResponseNeverReceived)


@implementer(IRouterDatasource)
class HttpDatasource:
    """Forwards requests over HTTP: the data is the JSON body, or the query of methods without a body.

    :param base: the URL before the path, as ``http://127.0.0.1:8000/api``.
    :param headers: the headers of each request, as ``{"Authorization": "Bearer …"}``. The token of the caller
        is not forwarded.
    :param max_bytes: the size limit of a response.
    :param client: treq, or a client of :func:`client_over_unix`.
    """

    def __init__(
        self,
        base: str,
        headers: dict[str, str] | None = None,
        *,
        max_bytes: int = 1_048_576,
        client: Any = treq,
    ) -> None:
        self._base = base.rstrip("/")
        self._headers = headers or {}
        self._max_bytes = max_bytes
        self._client = client

    async def handle(self, request: Request) -> Reply:
        """Forward a request and return the reply.

        :raises ServiceError: the error of the response; 502 if the response is not JSON, 503 if the
            connection is refused, 504 after the timeout.
        """
        seconds = _TIMEOUT if request.timeout is None else request.timeout
        try:
            response = await self._client.request(
                request.method,
                self._url(request),
                data=None if request.method in _WITHOUT_BODY else bytes(request.data),
                headers=self._headers_for(request),
                timeout=seconds,
            )
            body = await self._read(response)
        except _TIMED_OUT:
            raise DeadlineExceeded from None
        except _UNREACHABLE as error:
            raise Unavailable from error
        except _BROKEN as error:
            if any(reason.check(CancelledError) for reason in getattr(error, "reasons", ())):
                raise DeadlineExceeded from None
            raise BadGateway("the service behind closed the connection") from None
        if response.code >= 400:
            raise error_from(response.code, _detail(body))
        return Reply(200, _json(body) if body.strip() else b"null")

    def _url(self, request: Request) -> str:
        query = request.query
        if request.method in _WITHOUT_BODY and request.data != EMPTY:
            fields = msgspec.json.decode(request.data, type=JsonObject)
            parameters = {
                name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
                for name, value in fields.items()
            }
            query = "&".join(filter(None, (query, urlencode(parameters))))
        return f"{self._base}{request.path}{f'?{query}' if query else ''}"

    def _headers_for(self, request: Request) -> dict[str, str]:
        trace = inherited_meta(request)
        request_id = trace.pop("request_id")
        headers = {"Accept": "application/json", "X-Request-ID": request_id, **self._headers, **trace}
        meta = with_own_key(request)
        if META_KEY in meta:
            headers["Idempotency-Key"] = meta[META_KEY]
        if request.method not in _WITHOUT_BODY:
            headers["Content-Type"] = "application/json"
        return headers

    async def _read(self, response: IResponse) -> bytes:
        chunks: list[bytes] = []

        def collect(chunk: bytes) -> None:
            chunks.append(chunk)
            if sum(map(len, chunks)) > self._max_bytes:
                raise TooLarge(self._max_bytes, "max_bytes")

        await treq.collect(response, collect)
        return b"".join(chunks)


def client_over_unix(path: str, reactor: Any = None) -> HTTPClient:
    """Return a treq client that sends all requests to a Unix socket; the host of a URL has no meaning.

    treq has no URLs for Unix sockets (its issue 202). ``await
    client_over_unix("/run/web.sock").get("http://web/user")`` sends a request to the server that listens on
    ``unix:/run/web.sock``.

    :param path: the path of the socket.
    :param reactor: None for the installed reactor.
    :raises ConfigError: if the path is too long for a socket.
    """
    check_socket_path(path)
    if reactor is None:
        from twisted.internet import reactor  # not at module level: importing it installs a reactor
    pool = HTTPConnectionPool(reactor)
    return HTTPClient(Agent.usingEndpointFactory(reactor, _SocketEndpoints(reactor, path), pool))


@implementer(IAgentEndpointFactory)
class _SocketEndpoints:
    def __init__(self, reactor: IReactorUNIX, path: str) -> None:
        self._reactor = reactor
        self._path = path

    def endpointForURI(self, uri: object) -> UNIXClientEndpoint:
        """Return the endpoint of the socket."""
        return UNIXClientEndpoint(self._reactor, self._path)


def _json(body: bytes) -> bytes:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        body.decode()
    except NOT_JSON:
        raise BadGateway("the response of the service behind is not JSON") from None
    return body.replace(b"\n", b" ")


def _detail(body: bytes) -> Json:
    """Return the details of an error response: ``detail`` of RFC 9457, or the whole body, if it is JSON."""
    try:
        problem = msgspec.json.decode(body)
    except NOT_JSON:
        return None
    return problem.get("detail", problem) if isinstance(problem, dict) else problem
