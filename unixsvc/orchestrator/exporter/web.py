"""The HTTP side of the metrics: ``GET /metrics``, and nothing else."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any, Final, cast

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import Request as HttpRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from werkzeug.http import parse_accept_header

from unixsvc.security.hosts import HostRules, Misdirected
from unixsvc.telemetry.exposition.text import OPEN_METRICS, PROMETHEUS_TEXT

__all__ = ["MAX_CONNECTIONS", "MAX_SCRAPES", "Access", "MetricsResource", "make_site", "prefers_open_metrics"]

PATH: Final = b"/metrics"
MAX_SCRAPES: Final = 4
"""The most scrapes at the same time; further ones get 503."""
MAX_CONNECTIONS: Final = 64
"""The most connections; further ones are closed at once: they must not use up the file descriptors."""

_IDLE_TIMEOUT: Final = 90.0  # seconds; Prometheus scrapes each 15 to 60 s over the same connection
_METHODS: Final = (b"GET", b"HEAD")
_PLAIN: Final = "text/plain; charset=utf-8"
_OPEN_METRICS: Final = "application/openmetrics-text"
_PLAIN_TYPES: Final = ("text/plain", "text/*", "*/*")


class Access(Struct, frozen=True):
    """Who may scrape.

    :ivar hosts: the host names of the server.
    :ivar token: the token that each scrape must present; empty for none.
    """

    hosts: HostRules
    token: bytes = b""

    def __repr__(self) -> str:
        # The default one would show the token in logs.
        return "<Access>"


class MetricsResource(Resource):
    """Answers all requests.

    :param scrape: returns the metrics as text; its argument is whether that is OpenMetrics.
    :ivar access: who may scrape.
    """

    isLeaf = True

    def __init__(self, scrape: Callable[[bool], Awaitable[bytes]], access: Access) -> None:
        super().__init__()
        self._scrape = scrape
        self.access = access
        self._scrapes = 0
        self._log = Logger(namespace="metrics")

    def render(self, request: Request) -> bytes | int:
        """Answer a request, now or later."""
        request.responseHeaders.removeHeader(b"server")  # whose version is for no client
        try:
            self.access.hosts.check(request.getHeader(b"host") or b"", request.getHost())
        except Misdirected:
            names = "its names are listed as allowed_hosts in [metrics]"
            return _refuse(request, 421, f"this server has no such host name; {names}")
        if request.path != PATH:
            return _refuse(request, 404, f"there is only {PATH.decode()}")
        if request.method not in _METHODS:
            request.setHeader(b"allow", b", ".join(_METHODS))
            return _refuse(request, 405, "only GET and HEAD are allowed")
        if not self._may_scrape(request):
            request.setHeader(b"www-authenticate", b"Bearer")
            return _refuse(request, 401, "the token of [metrics] token_file is missing or wrong")
        if self._scrapes >= MAX_SCRAPES:
            request.setHeader(b"retry-after", b"1")
            return _refuse(request, 503, f"{MAX_SCRAPES} scrapes are in progress")
        self._scrapes += 1
        Deferred.fromCoroutine(self._answer(request)).addErrback(self._failed, request).addBoth(self._done)
        return NOT_DONE_YET

    def _may_scrape(self, request: Request) -> bool:
        scheme, _, token = (request.getHeader(b"authorization") or b"").partition(b" ")
        if not self.access.token:
            return True
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self.access.token)

    async def _answer(self, request: Request) -> None:
        open_metrics = prefers_open_metrics(request.getHeader(b"accept") or b"")
        lost: list[Failure] = []
        request.notifyFinish().addErrback(lost.append)
        text = await self._scrape(open_metrics)
        if not lost:
            request.setHeader(b"content-type", (OPEN_METRICS if open_metrics else PROMETHEUS_TEXT).encode())
            request.setHeader(b"vary", b"Accept")
            request.setHeader(b"content-length", str(len(text)).encode())
            request.write(text)
            request.finish()

    def _failed(self, failure: Failure, request: Request) -> None:
        self._log.failure("a scrape has failed", failure)
        if not request.finished and request.channel is not None:  # which is None once the client has gone
            request.write(_refuse(request, 500, "internal error"))
            request.finish()

    def _done(self, _: object) -> None:
        self._scrapes -= 1


def make_site(resource: MetricsResource, reactor: IReactorTime) -> ServerFactory[Any]:
    """The factory of the connections."""
    limited = _LimitedFactory(_Site(resource, _Request, timeout=_IDLE_TIMEOUT, reactor=reactor))
    # By its type Twisted's class is one of clients; the parameter of the generic one is private.
    return cast("ServerFactory[Any]", limited)


def prefers_open_metrics(accept: bytes) -> bool:
    """Whether a client prefers OpenMetrics to the Prometheus text format.

    :param accept: its header ``Accept``.
    """
    qualities: dict[str, float] = {}
    for item, quality in parse_accept_header(accept.decode("latin-1")):
        name = item.partition(";")[0].strip().lower()
        qualities[name] = max(quality, qualities.get(name, 0.0))
    plain = next((qualities[name] for name in _PLAIN_TYPES if name in qualities), 0.0)
    return qualities.get(_OPEN_METRICS, 0.0) > 0 and qualities[_OPEN_METRICS] >= plain


class _Request(Request):
    """A request whose body is dropped."""

    def gotLength(self, length: int | None) -> None:
        """Twisted would make a temporary file for a long one."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Drop a part of the body."""


class _LimitedFactory(WrappingFactory):
    noisy = False

    # None refuses a connection, as of any factory.
    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper | None:  # type: ignore[override]
        """Make the protocol of a connection; None if there are too many."""
        return None if len(self.protocols) >= MAX_CONNECTIONS else super().buildProtocol(addr)


class _Site(Site):
    noisy = False

    def startFactory(self) -> None:
        """Start nothing: there is no access log whose time would be needed each second."""

    def log(self, request: HttpRequest) -> None:
        """Log nothing: scrapes are no news."""


def _refuse(request: Request, code: int, text: str) -> bytes:
    body = f"{text}\n".encode()
    request.setResponseCode(code)
    request.setHeader(b"content-type", _PLAIN.encode())
    request.setHeader(b"content-length", str(len(body)).encode())
    return b"" if request.method == b"HEAD" else body
