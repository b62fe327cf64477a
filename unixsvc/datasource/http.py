"""Answers that come from a service which can only be reached over HTTP."""

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
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed, ResponseNeverReceived
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import EMPTY, Reply, Request
from unixsvc.errors import BadGateway, DeadlineExceeded, TooLarge, Unavailable, error_from

__all__ = ["HttpDatasource", "client_over_unix"]

_IN_QUERY: Final = ("GET", "HEAD", "DELETE", "OPTIONS")  # methods whose requests have no body
_TIMEOUT: Final = 30.0  # seconds, where the caller has set no limit
_LATE: Final = (CancelledError, network.TimeoutError)
_ABSENT: Final = (ConnectError, DNSLookupError)
_BROKEN: Final = (ConnectionClosed, ResponseFailed, ResponseNeverReceived)
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@implementer(IRouterDatasource)
class HttpDatasource:
    """Passes requests on: the path as it is, the data as JSON, or in the query where there is no body.

    :param base: what stands before the path, as ``http://127.0.0.1:8000/api``.
    :param headers: sent with each request, as ``{"Authorization": "Bearer …"}``. A caller's own token is not
        passed on.
    :param max_bytes: of an answer.
    :param client: treq, or what behaves like it, as what :func:`client_over_unix` gives.
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
        """Have it answered.

        :raises ServiceError: what the service has answered, if that is a failure; 502 if it is no JSON, 503
            if nobody listens there, 504 if it takes too long.
        """
        seconds = _TIMEOUT if request.timeout is None else request.timeout
        try:
            response = await self._client.request(
                request.method,
                self._url(request),
                data=None if request.method in _IN_QUERY else bytes(request.data),
                headers=self._headers_for(request),
                timeout=seconds,
            )
            body = await self._read(response)
        except _LATE:
            raise DeadlineExceeded from None
        except _ABSENT as error:
            raise Unavailable from error
        except _BROKEN as error:
            if any(each.check(CancelledError) for each in getattr(error, "reasons", ())):
                raise DeadlineExceeded from None
            raise BadGateway("the service behind ended the connection") from None
        if response.code >= 400:
            raise error_from(response.code, _detail(body))
        return Reply(200, _json(body) if body.strip() else b"null")

    def _url(self, request: Request) -> str:
        query = request.query
        if request.method in _IN_QUERY and request.data != EMPTY:
            fields = msgspec.json.decode(request.data, type=dict[str, Any])
            texts = {
                name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
                for name, value in fields.items()
            }
            query = "&".join(filter(None, (query, urlencode(texts))))
        return f"{self._base}{request.path}{f'?{query}' if query else ''}"

    def _headers_for(self, request: Request) -> dict[str, str]:
        headers = {"Accept": "application/json", "X-Request-ID": request.request_id, **self._headers}
        if "traceparent" in request.meta:
            headers["traceparent"] = request.meta["traceparent"]
        if "idempotency_key" in request.meta:
            headers["Idempotency-Key"] = request.meta["idempotency_key"]
        if request.method not in _IN_QUERY:
            headers["Content-Type"] = "application/json"
        return headers

    async def _read(self, response: Any) -> bytes:
        pieces: list[bytes] = []

        def collect(piece: bytes) -> None:
            pieces.append(piece)
            if sum(map(len, pieces)) > self._max_bytes:
                raise TooLarge(self._max_bytes)

        await treq.collect(response, collect)
        return b"".join(pieces)


def client_over_unix(path: str, reactor: Any = None) -> HTTPClient:
    """A client as :mod:`treq` is one, whose requests all go to a Unix socket, whatever host their URLs name.

    treq has no URLs for that (its issue 202). ``await client_over_unix("/run/web.sock").get("http://web/user")``
    asks what listens there as ``unix:/run/web.sock``.

    :param path: of the socket.
    :param reactor: the installed one if None.
    """
    if reactor is None:
        from twisted.internet import reactor  # only now is it the one that the program has installed
    pool = HTTPConnectionPool(reactor)
    return HTTPClient(Agent.usingEndpointFactory(reactor, _ToSocket(reactor, path), pool))


@implementer(IAgentEndpointFactory)
class _ToSocket:
    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path

    def endpointForURI(self, uri: Any) -> UNIXClientEndpoint:
        """The socket, whatever is asked for."""
        return UNIXClientEndpoint(self._reactor, self._path)


def _json(body: bytes) -> bytes:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        body.decode()
    except _NOT_JSON:
        raise BadGateway("what the service behind has answered is no JSON") from None
    return body.replace(b"\n", b" ")


def _detail(body: bytes) -> Any:
    """What is particular to a failure: RFC 9457's detail, else all of it, if it is JSON."""
    try:
        found = msgspec.json.decode(body)
    except _NOT_JSON:
        return None
    return found.get("detail", found) if isinstance(found, dict) else found
