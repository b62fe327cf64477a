"""From HTTP to messages, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import MethodNotAllowed, ServiceError, Unavailable
from unixsvc.rest.decode import Fields, meta_of, path_of, request_of
from unixsvc.rest.docs_pages import add_pages
from unixsvc.rest.encode import ResponseBuilder, ResponseContext, allowed_by, response_context
from unixsvc.rest.klein_bridge import KleinBridge
from unixsvc.rest.openapi.document import describe
from unixsvc.rest.pending import PendingResponse
from unixsvc.rest.server.writer import send
from unixsvc.server.handler import HandlerContext
from unixsvc.telemetry.logs import FailureLog

__all__ = ["Gateway"]

Handle = Callable[[Request], Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]]


class Gateway(Resource):
    """Answers HTTP requests with a service's actions, and with pages where none answers.

    It has to be the whole of a site, or of what is below one path.

    :param context: what to serve; of its endpoint, nothing is made here.
    :ivar app: the Klein application with the pages.
    """

    isLeaf = True

    def __init__(self, context: HandlerContext) -> None:
        super().__init__()
        self._handle = context.handle
        self._seconds_for = context.handle.seconds_for
        self._answers = context.answers
        self._reactor = context.reactor
        self._answering = ResponseBuilder(context.http)
        self._tokens = context.http.token != "off"
        self._waiting: set[PendingResponse] = set()
        failures = FailureLog(context.service)
        self._web = KleinBridge(self._answering, failures, context.reactor, context.limits.request_timeout)
        self.app = self._web.app
        if context.http.docs and context.contracts is not None:
            add_pages(self.app, partial(_openapi, context.contracts, context.http.token))
        if context.web is not None:
            context.web(self.app)
        self._web.complete()

    @property
    def unanswered(self) -> int:
        """How many requests are not yet answered to the end."""
        return len(self._waiting) + len(self._web)

    def give_up(self) -> None:
        """Answer all of these with 503, and end streams with it."""
        for each in list(self._waiting):
            each.cancel(Unavailable())
        self._web.give_up(Unavailable())

    def render(self, request: Any) -> int:
        """Answer a request, now or later."""
        headers: Fields = dict(request.requestHeaders.getAllRawHeaders())
        method = request.method
        if method == b"OPTIONS" and self._answering.cors.is_preflight(headers):
            send(request, self._answering.preflight(headers))
            return NOT_DONE_YET
        meta = meta_of(headers)
        try:
            path = path_of(request.path, len(request.prepath) if request.prepath else 0)
            if not self._answers(path) and self._web.has(method, path.encode()):
                asked = Request(method.decode("latin-1"), path, meta=meta)
                self._web.render(request, asked, response_context(method, headers, asked))
                return NOT_DONE_YET
            query = request.uri.partition(b"?")[2]
            asked = request_of(method, path, query, headers, request.content.read(), meta)
        except ServiceError as error:
            self._refuse(request, headers, meta, error)
            return NOT_DONE_YET
        tokenless = self._tokens and asked.auth_token is None
        self._serve(request, asked, response_context(method, headers, asked, tokenless=tokenless))
        return NOT_DONE_YET

    def _serve(self, request: Any, asked: Request, terms: ResponseContext) -> None:
        """Begin the action; only one that waits pays for more."""
        answer = self._handle(asked) if asked.method != "HEAD" else start(_head(self._handle, asked))
        if isinstance(answer, Reply):
            send(request, self._answering.answer(answer, terms))
        elif isinstance(answer, ReplyStream):
            self._exchange(request, terms).answer(answer)
        else:
            self._exchange(request, terms).wait(answer, self._seconds_for(asked))

    def _exchange(self, request: Any, terms: ResponseContext) -> PendingResponse:
        exchange = PendingResponse(request, terms, self._answering, self._reactor, self._waiting.discard)
        self._waiting.add(exchange)
        return exchange

    def _refuse(self, request: Any, headers: Fields, meta: dict[str, str], error: ServiceError) -> None:
        """Answer what never becomes a message."""
        method = request.method
        asked = Request(method.decode("latin-1"), "/", meta=meta)
        send(request, self._answering.answer(error_to_reply(error), response_context(method, headers, asked)))


async def _head(handle: Handle, asked: Request) -> Reply | ReplyStream:
    """The answer to HEAD: that to GET, unless there is a route of its own; its body is left out later."""
    answer: Reply | ReplyStream = await await_result(handle(asked))
    if isinstance(answer, ReplyStream) or answer.code != MethodNotAllowed.code:
        return answer
    if "GET" in allowed_by(answer.detail):
        answer = await await_result(handle(replace(asked, method="GET")))
    return answer


async def _openapi(
    contracts: Callable[[], Awaitable[list[Contract | UnavailableContract]]], token: str
) -> dict[str, Any]:
    return describe(await contracts(), token=token)
