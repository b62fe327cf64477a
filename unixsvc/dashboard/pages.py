"""The requests of the page: files, snapshots, sessions and actions."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http import NO_CONTENT
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from unixsvc.config.dashboard import Dashboard
from unixsvc.dashboard.actions import ACTIONS
from unixsvc.dashboard.ended import RecentCalls, Topic
from unixsvc.dashboard.feed import Feed
from unixsvc.dashboard.files import FILES
from unixsvc.dashboard.log_stream import LogStream
from unixsvc.dashboard.operators import Operator, Sessions
from unixsvc.dashboard.replies import (
    COOKIE,
    HEADERS,
    address_of,
    argument,
    check_origin,
    cookie_of,
    header_of,
    refuse,
    send_file,
    to_json,
)
from unixsvc.dashboard.stream import EventStream
from unixsvc.errors import (
    ConfigError,
    Conflict,
    Internal,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthorized,
    Unavailable,
)
from unixsvc.orchestrator.events.log import Event
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.security.hosts import HostRules
from unixsvc.telemetry.log_query import LogQuery

__all__ = ["MAX_LOGS", "MAX_STREAMS", "SECRET", "DashboardPages"]

MAX_STREAMS: Final = 16
"""The most pages that are open at the same time."""
MAX_LOGS: Final = 8
"""The most pages that follow the log at the same time."""
SECRET: Final = b"X-CSRF-Token"
"""The header of requests that change something; a page of another origin cannot set it without CORS."""

_log: Final = Logger(namespace="dashboard")
_LOGS: Final = 200  # the most events of the log that a page has at its start
_EVENTS: Final = 200  # the most that a page has at its start
_ACTION: Final = re.compile(r"/actions/([a-z-]{1,20})")

Answer = Callable[
    [Request], Coroutine[Any, Any, bytes | None]
]  # the types of send() and throw() are not used


class _Route(Struct, frozen=True):
    """A request that the page makes.

    :ivar open: whether it needs no session even with ``token = "required"``.
    """

    answer: Answer
    open: bool = False


class _Who(Struct, frozen=True):
    """Who uses the page, and what for.

    :ivar secret: only in the reply to the log-in.
    :ivar trace_link: see :class:`~unixsvc.config.dashboard.Dashboard`; empty without the right to read.
    """

    operator: str | None
    reads: bool
    secret: str = ""
    trace_link: str = ""


class DashboardPages(Resource):
    """Answers the requests of the page.

    :param settings: the table ``[dashboard]``.
    """

    isLeaf = True

    def __init__(
        self,
        orchestrator: IOrchestrator,
        reactor: IReactorTime,
        feed: Feed,
        sessions: Sessions,
        settings: Dashboard,
    ) -> None:
        super().__init__()
        self._orchestrator = orchestrator
        self._reactor = reactor
        self._feed = feed
        self._sessions = sessions
        self._recent = RecentCalls(orchestrator.inspector)
        self._streams: set[EventStream] = set()
        self._log_streams: set[LogStream] = set()
        self._routes: dict[str, dict[str, _Route]] = {
            "/stream": {"GET": _Route(self._stream)},
            "/snapshot": {"GET": _Route(self._snapshot)},
            "/requests": {"GET": _Route(self._requests)},
            "/requests/slowest": {"GET": _Route(lambda request: self._ended(request, "slowest"))},
            "/requests/failed": {"GET": _Route(lambda request: self._ended(request, "failed"))},
            "/logs": {"GET": _Route(self._logs)},
            "/events": {"GET": _Route(self._events)},
            "/session": {
                "GET": _Route(self._who, open=True),
                "POST": _Route(self._log_in, open=True),
                "DELETE": _Route(self._log_out, open=True),
            },
        }
        self.use(settings)
        orchestrator.events.observers.append(self._happened)

    def use(self, settings: Dashboard) -> None:
        """Use other settings from now on."""
        self._hosts = HostRules(settings.allowed_hosts)
        self._public = settings.token != "required"
        self._trace_link = settings.trace_link

    def close(self) -> None:
        """End the streams of all pages permanently."""
        self._orchestrator.events.observers.remove(self._happened)
        self._end_streams()

    def _end_streams(self) -> None:
        for each in tuple(self._streams):
            each.close()
        for one in tuple(self._log_streams):
            one.close()

    def render(self, request: Request) -> int:
        """Answer a request."""
        Deferred.fromCoroutine(self._answer(request)).addErrback(
            lambda failure: _log.failure("no reply", failure)
        )
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        for name, value in HEADERS:
            request.setHeader(name, value)
        try:
            body = await self._dispatch(request)
        except ServiceError as error:
            body = refuse(request, error)
        except Exception:
            _log.failure("a request of the page has failed")
            body = refuse(request, Internal())
        if body is not None and not gone:
            request.setHeader(b"Content-Length", b"%d" % len(body))
            request.write(body)
            request.finish()

    async def _dispatch(self, request: Request) -> bytes | None:
        self._hosts.check(request.getHeader(b"Host") or b"", request.getHost())
        method, path = request.method.decode("latin-1"), request.path.decode("latin-1")
        by_method = self._find(path)
        route = by_method.get("GET" if method == "HEAD" else method)
        if route is None:
            raise MethodNotAllowed([*by_method])
        if method not in ("GET", "HEAD"):
            check_origin(request)
        if not (route.open or self._public) and self._reader(request) is None:
            raise Unauthorized("log in with the token of an operator")
        return await route.answer(request)

    def _find(self, path: str) -> dict[str, _Route]:
        if path in FILES:
            return {"GET": _Route(send_file, open=True)}
        if (found := _ACTION.fullmatch(path)) is not None and found[1] in ACTIONS:
            return {"POST": _Route(self._act)}
        if path in self._routes:
            return self._routes[path]
        raise NotFound(f"there is no {path[:100]}")

    # Reading.

    async def _stream(self, request: Request) -> bytes | None:
        if request.method == b"HEAD":
            return b""
        if len(self._streams) >= MAX_STREAMS:
            raise Unavailable
        stream = EventStream(request, self._feed, self._reactor, lambda: self._streams.discard(stream))
        self._streams.add(stream)
        stream.start()
        return None

    async def _snapshot(self, request: Request) -> bytes:
        return to_json(request, await self._feed.snapshot())

    async def _requests(self, request: Request) -> bytes:
        return to_json(request, await self._orchestrator.inspector.requests())

    async def _ended(self, request: Request, topic: Topic) -> bytes:
        return to_json(request, await self._recent.find(topic, argument(request, b"service")))

    async def _events(self, request: Request) -> bytes:
        return to_json(request, self._orchestrator.events.find()[-_EVENTS:])

    def _happened(self, event: Event) -> None:
        if self._streams:
            self._feed.hurry()
            text = msgspec.json.encode(event)
            for each in tuple(self._streams):
                each.tell(text)

    async def _logs(self, request: Request) -> bytes | None:
        """Follow the log: it may have secrets of applications, so it is for operators."""
        cookie = cookie_of(request)
        operator = self._sessions.actor(cookie, header_of(request, SECRET))
        operator.check("POST", "/logs")
        if request.method == b"HEAD":
            return b""
        if len(self._log_streams) >= MAX_LOGS:
            raise Unavailable
        query = LogQuery(
            argument(request, b"service"),
            argument(request, b"request"),
            argument(request, b"level") or "debug",
            last=_LOGS,
            follow=True,
        )
        try:
            batches = await self._orchestrator.logs(query)
        except ConfigError as error:
            raise Conflict(str(error)) from None

        def may_read() -> bool:
            return self._sessions.reader(cookie) == operator

        stream = LogStream(
            request, batches, self._reactor, may_read, lambda: self._log_streams.discard(stream)
        )
        self._log_streams.add(stream)
        stream.start()
        return None

    # Sessions.

    def _reader(self, request: Request) -> Operator | None:
        return self._sessions.reader(cookie_of(request))

    async def _who(self, request: Request) -> bytes:
        operator = self._reader(request)
        name, reads = (None, self._public) if operator is None else (operator.name, True)
        return to_json(request, _Who(name, reads, trace_link=self._trace_link if reads else ""))

    async def _log_in(self, request: Request) -> bytes:
        scheme, _, token = header_of(request, b"Authorization").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("send the token of an operator, as Authorization: Bearer TOKEN")
        try:
            operator, session = self._sessions.log_in(token.strip())
        except Unauthorized:
            _log.warn("a wrong token was entered on the page, from {address}", address=address_of(request))
            raise
        _log.info("{name} has logged in from {address}", name=operator.name, address=address_of(request))
        request.addCookie(COOKIE, session.cookie.encode(), path=b"/", httpOnly=True, sameSite=b"strict")
        return to_json(request, _Who(operator.name, True, session.secret, self._trace_link))

    async def _log_out(self, request: Request) -> bytes:
        self._sessions.log_out(cookie_of(request))
        for each in tuple(self._log_streams):
            each.check()
        if not self._public:
            self._end_streams()  # those of other sessions begin again
        request.addCookie(COOKIE, b"", path=b"/", max_age=b"0", httpOnly=True, sameSite=b"strict")
        request.setResponseCode(NO_CONTENT)
        return b""

    # Acting.

    async def _act(self, request: Request) -> bytes:
        name = request.path.decode("latin-1").rpartition("/")[2]
        action = ACTIONS[name]
        operator = self._sessions.actor(cookie_of(request), header_of(request, SECRET))
        operator.check(action.method, action.path)
        body = b"" if request.content is None else request.content.read()
        _log.info(
            "{name} from {address}: {action} {order}", name=operator.name, address=address_of(request),
            action=name, order=body.decode("utf-8", "replace"),
        )  # fmt: skip
        return to_json(request, await action.carry_out(self._orchestrator, body))
