"""The Klein application beside the service's routes: documentation pages and the application's own pages.

It makes up for what Klein lacks: a route may return anything that JSON can represent, and an exception
becomes a problem response that reveals nothing of it.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
from klein import Klein
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import NOT_MODIFIED
from twisted.web.iweb import IRequest
from twisted.web.server import Request as WebRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import RequestRedirect

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import DeadlineExceeded, Internal, ServiceError
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.response import JSON, PAGE, Response
from unixsvc.rest.web.responses import set_headers, set_response
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["DetachedKlein", "KleinBridge", "KleinCall"]

# werkzeug uses it. It is kept in the registry of codecs, as the user of a worker may not be able to read it.
codecs.lookup("idna")

_log: Final = LimitedLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode
_JSON_TYPES: Final = (dict, list, tuple, msgspec.Struct, msgspec.Raw)
_BODY_HEADERS: Final = frozenset({"content-type", "content-length"})

# A route of Klein, called with its arguments; it returns anything, also a Deferred.
Call = Callable[[], object]
Runner = Callable[[IRequest, Call], object]


class KleinCall:
    """A request that is processed by a Klein route.

    :ivar message: the request as the log knows it.
    """

    def __init__(self, request: WebRequest, message: Request, context: ResponseContext) -> None:
        self.request = request
        self.message = message
        self.context = context
        self._result: Deferred[object] = Deferred(self._cancelled)
        self._route: Deferred[object] | None = None
        self._timer: IDelayedCall | None = None

    def follow(self, route: Deferred[object], reactor: IReactorTime, seconds: float) -> Deferred[object]:
        """The Deferred for Klein to wait for: the route's result, or the reason of :meth:`cancel`.

        :param seconds: the time until the route has to start its response.
        """
        self._route = route
        route.addBoth(self._returned)
        if not self._result.called:
            self._timer = reactor.callLater(seconds, self._timed_out)
        return self._result

    def cancel(self, reason: ServiceError) -> None:
        """Cancel the route; ``reason`` is the response, whatever the route returns then."""
        result, route = self._result, self._route
        if route is not None and not result.called:
            self._stop_timer()
            result.errback(Failure(reason))
            route.cancel()

    def _timed_out(self) -> None:
        if not self.request.startedWriting:  # else it sends a stream
            self.cancel(DeadlineExceeded())

    def _cancelled(self, result: Deferred[object]) -> None:
        self._stop_timer()
        if self._route is not None:
            self._route.cancel()

    def _returned(self, result: object) -> None:
        self._stop_timer()
        if self._result.called:
            if isinstance(result, Failure) and not result.check(CancelledError):
                _log.failure("{request!r} failed after its response", result, request=self.message)
        elif isinstance(result, Failure) and not result.check(Exception):
            # Klein does not handle a BaseException, as asyncio's CancelledError or SystemExit.
            request_id = self.message.request_id
            _log.failure("{request!r} failed", result, request=self.message, request_id=request_id)
            self._result.errback(Failure(Internal()))
        else:
            self._result.callback(result)  # with a Failure, the same as errback

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class DetachedKlein(Klein):
    """A Klein application whose routes and error handlers are called by :class:`KleinBridge`.

    :ivar run_route: called with a request and a function that calls the route; its result is the route's.
    :ivar run_error_handler: the same for an error handler.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run_route: Runner = lambda request, call: call()
        self.run_error_handler: Runner = self.run_route

    def execute_endpoint(self, endpoint: str, request: IRequest, *args: Any, **kwargs: Any) -> Any:
        """Call a route."""

        def call() -> object:
            return super(DetachedKlein, self).execute_endpoint(endpoint, request, *args, **kwargs)

        return self.run_route(request, call)

    def execute_error_handler(self, handler: Any, request: IRequest, failure: Failure) -> Any:
        """Call an error handler for a route that has failed."""

        def call() -> object:
            return super(DetachedKlein, self).execute_error_handler(handler, request, failure)

        return self.run_error_handler(request, call)


class KleinBridge:
    """Answers requests with a Klein application.

    :param seconds: the time until a route has to start its response.
    :ivar app: the application, to which routes are added.
    """

    def __init__(
        self, builder: ResponseBuilder, failures: IFailureLog, reactor: IReactorTime, seconds: float
    ) -> None:
        self.app = DetachedKlein()
        self.app.run_route = self._run_route
        self.app.run_error_handler = self._run_error_handler
        self._builder = builder
        self._failures = failures
        self._reactor = reactor
        self._seconds = seconds
        self._resource = self.app.resource()
        self._calls: dict[IRequest, KleinCall] = {}
        self._starts: tuple[str, ...] = ()  # of the paths of all routes, up to the first variable

    def complete(self) -> None:
        """Add the last error handler, when all routes and error handlers of the application are added."""
        self.app.handle_errors(Exception)(self._failed)
        self._starts = tuple({rule.rule.partition("<")[0] for rule in self.app.url_map.iter_rules()})

    def __len__(self) -> int:
        return len(self._calls)

    def may_have(self, path: str) -> bool:
        """False if there is no route for a path: the beginning of the path rules most out."""
        return path.startswith(self._starts) or "%" in path

    def has_route(self, method: bytes, path: str) -> bool:
        """Whether there is a route for a path, with this method or another."""
        try:
            # As in Klein: percent-escapes are decoded before the path is split.
            text = unquote_to_bytes(path).decode()
            self.app.url_map.bind("").match(text, method.decode("latin-1"))
        except (NoRoute, UnicodeDecodeError):
            return False
        except HTTPException:  # another method, or a redirect
            return True
        return True

    def render(
        self, request: WebRequest, message: Request, context: ResponseContext, *, tls: bool = False
    ) -> None:
        """Have a route answer a request.

        :param tls: whether a reverse proxy has received it over TLS.
        """
        call = self._calls[request] = KleinCall(request, message, context)
        set_headers(request, Response(200, PAGE, self._builder.common_headers(context)).pairs)
        if not request.requestHeaders.hasHeader(b"Host"):  # HTTP/1.0; Klein requires one
            request.requestHeaders.setRawHeaders(b"Host", [b"localhost"])
        if tls or not hasattr(request.getHost(), "port"):
            _set_origin(request, tls=tls)
        request.notifyFinish().addBoth(self._finished, call)
        try:
            self._resource.render(request)
        except Exception:  # before the route, as for a Host that is not valid
            body = self._failed(request, Failure())
            request.write(body)
            request.finish()

    def abort(self, reason: ServiceError) -> None:
        """Cancel all pending calls; ``reason`` is their response."""
        for call in list(self._calls.values()):
            call.cancel(reason)

    def _finished(self, result: object, call: KleinCall) -> None:
        self._calls.pop(call.request, None)

    def _run_route(self, request: IRequest, call: Call) -> Deferred[object]:
        klein_call = self._calls[request]
        result = klein_call.follow(maybeDeferred(call), self._reactor, self._seconds)
        return result.addCallback(self._encode, klein_call)

    def _run_error_handler(self, request: IRequest, call: Call) -> Deferred[object]:
        return maybeDeferred(call).addCallback(self._encode, self._calls[request])

    def _encode(self, result: object, call: KleinCall) -> object:
        """The body for what a route has returned: data becomes JSON, anything else is left to Klein."""
        request = call.request
        if request.startedWriting:
            return result
        if isinstance(result, _JSON_TYPES):
            content_type = request.responseHeaders.getRawHeaders(b"Content-Type")
            response = self._builder.with_body(request.code, JSON, _encode(result), call.context)
            body = set_response(request, response)
            if content_type is not None and request.code != NOT_MODIFIED:  # set by the route
                request.responseHeaders.setRawHeaders(b"Content-Type", content_type)
            return body
        if isinstance(result, str):
            result = result.encode()
        if isinstance(result, bytes) and not request.responseHeaders.hasHeader(b"Content-Length"):
            request.setHeader(b"Content-Length", b"%d" % len(result))
        return result

    def _failed(self, request: IRequest, failure: Failure) -> bytes | Deferred[bytes]:
        """The error handler for everything that the application does not handle."""
        call = self._calls[request]
        web_request = call.request
        error = cast(BaseException, failure.value)
        expected = isinstance(error, ServiceError | HTTPException)
        if not expected:
            self._failures.failed(call.message, error)
        if web_request.startedWriting:
            if expected:
                self._failures.failed(call.message, error)
            transport: Any = web_request.transport  # of no type that has this method
            transport.abortConnection()  # a partial response must not look complete
            return Deferred()
        for name in (b"Content-Length", b"Content-Type", b"Cache-Control"):
            web_request.responseHeaders.removeHeader(name)
        if isinstance(error, HTTPException):
            return self._http_error(call, error)
        reply = error_to_reply(error if isinstance(error, ServiceError) else Internal())
        return set_response(web_request, self._builder.from_reply(reply, call.context))

    def _http_error(self, call: KleinCall, error: HTTPException) -> bytes:
        """The response to an exception of werkzeug."""
        request = call.request
        if error.response is not None or error.code is None:
            response: Any = error.get_response({})  # its declared type has no body
            request.setResponseCode(response.status_code)
            for name, value in response.headers:
                request.setHeader(name.encode(), value.encode())
            return b"".join(response.iter_encoded())
        for name, value in error.get_headers({}):
            if name.lower() not in _BODY_HEADERS:
                request.setHeader(name.encode(), value.encode())
        if isinstance(error, RequestRedirect):
            return self._redirect(request, error)
        detail: object = error.description
        if error.code == 405:
            detail = {"allowed": sorted(set(getattr(error, "valid_methods", None) or ()) - {"OPTIONS"})}
        reply = Reply(error.code, b"", error.name, detail)
        return set_response(request, self._builder.from_reply(reply, call.context))

    @staticmethod
    def _redirect(request: WebRequest, error: RequestRedirect) -> bytes:
        """Redirect to a relative URL: Klein drops the query, and takes the server's port for the client's."""
        path = "/" + urlsplit(error.new_url).path.lstrip("/")
        query = request.uri.partition(b"?")[1:]
        request.setResponseCode(error.code)
        request.setHeader(b"Location", path.encode() + b"".join(query))
        request.setHeader(b"Content-Length", b"0")
        return b""


def _set_origin(request: WebRequest, *, tls: bool) -> None:
    """Set the scheme and the port that the client has used: routes make URLs of them.

    Those of the connection are not what the client has used, or, on a Unix socket, do not exist.
    """
    [host] = request.requestHeaders.getRawHeaders(b"Host", [b""])
    name, colon, port = host.rpartition(b":")
    if colon and port.isdigit():
        request.setHost(name, int(port), tls)
    else:
        request.setHost(host, 443 if tls else 80, tls)
