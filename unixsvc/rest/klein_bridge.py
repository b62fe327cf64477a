"""The Klein application beside the routes: pages, and routes of the application's own.

What Klein falls short of is made up for here: what a route returns may be anything that JSON can hold, and
whatever it raises is a problem that tells nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
from klein import Klein
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import NOT_MODIFIED
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import RequestRedirect

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import DeadlineExceeded, Internal, ServiceError
from unixsvc.rest.encode import BARE, JSON, Response, ResponseBuilder, ResponseContext
from unixsvc.rest.server.writer import set_headers

__all__ = ["DetachedKlein", "KleinBridge", "KleinCall"]

_log: Final = Logger()
_encode: Final = msgspec.json.Encoder().encode
_JSON_LIKE: Final = (dict, list, tuple, msgspec.Struct, msgspec.Raw)
_OF_THE_BODY: Final = frozenset({"content-type", "content-length"})


class KleinCall:
    """A request that a Klein route answers.

    :ivar asked: the request as the log knows it.
    """

    def __init__(self, request: Any, asked: Request, terms: ResponseContext) -> None:
        self.request = request
        self.asked = asked
        self.terms = terms
        self._answered: Deferred[Any] = Deferred(self._cancelled)
        self._inner: Deferred[Any] | None = None
        self._timer: IDelayedCall | None = None

    def follow(self, inner: Deferred[Any], reactor: IReactorTime, seconds: float) -> Deferred[Any]:
        """What Klein is to wait for: the route's result, or the reason why it is not waited for any more.

        :param seconds: by then it has at least begun to answer.
        """
        self._inner = inner
        inner.addBoth(self._done)
        if not self._answered.called:
            self._timer = reactor.callLater(seconds, self._late)
        return self._answered

    def cancel(self, reason: ServiceError) -> None:
        """Stop it; the reason is the answer, whatever the route makes of it."""
        answered, inner = self._answered, self._inner
        if inner is not None and not answered.called:
            self._stop_timer()
            answered.errback(Failure(reason))
            inner.cancel()

    def _late(self) -> None:
        if not self.request.startedWriting:  # else it sends a stream of its own
            self.cancel(DeadlineExceeded())

    def _cancelled(self, answered: Deferred[Any]) -> None:
        self._stop_timer()
        if self._inner is not None:
            self._inner.cancel()

    def _done(self, result: Any) -> None:
        self._stop_timer()
        if self._answered.called:
            if isinstance(result, Failure) and not result.check(CancelledError):
                _log.failure("{page!r} failed after its request was answered", result, page=self.asked)
        elif isinstance(result, Failure) and not result.check(Exception):
            # Klein has no way for what is no Exception, as an asyncio's CancelledError or a sys.exit().
            _log.failure("{page!r} failed", result, page=self.asked, request_id=self.asked.request_id)
            self._answered.errback(Failure(Internal()))
        else:
            self._answered.callback(result)  # a Failure is an errback

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class DetachedKlein(Klein):
    """A Klein application whose routes and error handlers are run by someone else.

    :ivar runner: is given the request, and what calls the route; gives what the result is to be.
    :ivar handler: likewise for error handlers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner: Callable[[Any, Callable[[], Any]], Any] = lambda request, call: call()
        self.handler = self.runner

    def execute_endpoint(self, endpoint: str, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Have a route answer a request."""

        def call() -> Any:
            return super(DetachedKlein, self).execute_endpoint(endpoint, request, *args, **kwargs)

        return self.runner(request, call)

    def execute_error_handler(self, handler: Any, request: Any, failure: Failure) -> Any:
        """Have an error handler answer a request whose route has failed."""

        def call() -> Any:
            return super(DetachedKlein, self).execute_error_handler(handler, request, failure)

        return self.handler(request, call)


class KleinBridge:
    """Answers with a Klein application.

    :param seconds: by then, a route has at least begun to answer.
    :ivar app: where routes are added.
    """

    def __init__(
        self, answering: ResponseBuilder, failures: IFailureLog, reactor: IReactorTime, seconds: float
    ) -> None:
        self.app = DetachedKlein()
        self.app.runner = self._run
        self.app.handler = self._handle
        self._answering = answering
        self._failures = failures
        self._reactor = reactor
        self._seconds = seconds
        self._resource = self.app.resource()
        self._at_work: dict[Any, KleinCall] = {}

    def complete(self) -> None:
        """All routes and error handlers are there; what those do not handle is handled here."""
        self.app.handle_errors(Exception)(self._failed)

    def __len__(self) -> int:
        return len(self._at_work)

    def has(self, method: bytes, path: bytes) -> bool:
        """Whether there is a route for a path, if only for other methods."""
        if not self.app.endpoints:
            return False
        try:
            # As Klein reads it: escapes are undone before it is cut into segments.
            text = unquote_to_bytes(path).decode()
            self.app.url_map.bind("").match(text, method.decode("latin-1"))
        except (NoRoute, UnicodeDecodeError):
            return False
        except HTTPException:  # another method, or another path that is right instead
            return True
        return True

    def render(self, request: Any, asked: Request, terms: ResponseContext) -> None:
        """Have a route answer."""
        page = self._at_work[request] = KleinCall(request, asked, terms)
        set_headers(request, BARE.pairs + self._answering.any(terms))
        if not request.requestHeaders.hasHeader(b"Host"):  # HTTP/1.0; Klein wants one
            request.requestHeaders.setRawHeaders(b"Host", [b"localhost"])
        request.notifyFinish().addBoth(self._gone, page)
        try:
            self._resource.render(request)
        except Exception:  # before Klein waits for anything, as for a Host that is none
            body = self._failed(request, Failure())
            request.write(body)
            request.finish()

    def give_up(self, reason: ServiceError) -> None:
        """Answer what is unanswered with that."""
        for each in list(self._at_work.values()):
            each.cancel(reason)

    def _gone(self, result: object, page: KleinCall) -> None:
        self._at_work.pop(page.request, None)

    def _run(self, request: Any, call: Callable[[], Any]) -> Deferred[Any]:
        page = self._at_work[request]
        answered = page.follow(maybeDeferred(call), self._reactor, self._seconds)
        return answered.addCallback(self._encoded, page)

    def _handle(self, request: Any, call: Callable[[], Any]) -> Deferred[Any]:
        return maybeDeferred(call).addCallback(self._encoded, self._at_work[request])

    def _encoded(self, result: Any, page: KleinCall) -> Any:
        """What a route has returned, where it is data and no page."""
        request = page.request
        if request.startedWriting:
            return result
        if isinstance(result, _JSON_LIKE):
            own = request.responseHeaders.getRawHeaders(b"Content-Type")
            body = self._set(request, self._answering.body(request.code, JSON, _encode(result), page.terms))
            if own is not None and request.code != NOT_MODIFIED:  # it is JSON of some kind
                request.responseHeaders.setRawHeaders(b"Content-Type", own)
            return body
        if isinstance(result, str):
            result = result.encode()
        if isinstance(result, bytes) and not request.responseHeaders.hasHeader(b"Content-Length"):
            request.setHeader(b"Content-Length", b"%d" % len(result))
        return result

    def _failed(self, request: Any, failure: Failure) -> Any:
        """What a route, or the way to it, has raised."""
        page = self._at_work[request]
        error: Any = failure.value
        known = isinstance(error, ServiceError | HTTPException)
        if not known:
            self._failures.failed(page.asked, error)
        if request.startedWriting:
            if known:
                self._failures.failed(page.asked, error)
            request.transport.abortConnection()  # so that nobody takes it for complete
            return Deferred()
        for name in (b"Content-Length", b"Content-Type", b"Cache-Control"):
            request.responseHeaders.removeHeader(name)
        if isinstance(error, HTTPException):
            return self._raised(request, error, page)
        reply = error_to_reply(error if isinstance(error, ServiceError) else Internal())
        return self._set(request, self._answering.answer(reply, page.terms))

    def _raised(self, request: Any, error: HTTPException, page: KleinCall) -> bytes:
        """What werkzeug's own exceptions stand for."""
        if error.response is not None or error.code is None:
            response: Any = error.get_response({})
            request.setResponseCode(response.status_code)
            for name, value in response.headers:
                request.setHeader(name.encode(), value.encode())
            return b"".join(response.iter_encoded())
        for name, value in error.get_headers({}):
            if name.lower() not in _OF_THE_BODY:
                request.setHeader(name.encode(), value.encode())
        if isinstance(error, RequestRedirect):
            return self._redirect(request, error)
        detail: Any = error.description
        if error.code == 405:
            detail = {"allowed": sorted(set(getattr(error, "valid_methods", None) or ()) - {"OPTIONS"})}
        reply = Reply(error.code, b"", error.name, detail)
        return self._set(request, self._answering.answer(reply, page.terms))

    @staticmethod
    def _redirect(request: Any, error: RequestRedirect) -> bytes:
        """To the path with a slash. Klein forgets the query, and takes our port for that of the client."""
        path = "/" + urlsplit(error.new_url).path.lstrip("/")
        query = request.uri.partition(b"?")[1:]
        request.setResponseCode(error.code)
        request.setHeader(b"Location", path.encode() + b"".join(query))
        request.setHeader(b"Content-Length", b"0")
        return b""

    @staticmethod
    def _set(request: Any, answer: Response) -> bytes:
        request.setResponseCode(answer.code)
        set_headers(request, answer.kind.pairs + answer.headers)
        return answer.body
