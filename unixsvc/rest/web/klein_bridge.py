"""Pages: the documentation, and the Klein routes of the application's own.

It makes up for what Klein lacks: a route may return anything that JSON can represent, and an exception
becomes a problem response that reveals nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote_to_bytes

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import NO_BODY_CODES, NOT_MODIFIED
from twisted.web.iweb import IRequest
from twisted.web.server import Request as WebRequest
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import NotFound as NoRoute

from unixsvc.authentication.guards import Requirement
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.errors import Internal, ServiceError
from unixsvc.limiting.rate_limit import RateLimit
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.pages.admission import Ended, PageAdmission
from unixsvc.rest.pages.users import set_page
from unixsvc.rest.response import JSON, PAGE, Response
from unixsvc.rest.web.klein_app import Call, ServiceKlein
from unixsvc.rest.web.klein_call import KleinCall
from unixsvc.rest.web.klein_errors import set_http_error
from unixsvc.rest.web.request import HttpRequest
from unixsvc.rest.web.responses import remove_body_headers, set_headers, set_response
from unixsvc.rest.web.twisted_internals import add_length

if TYPE_CHECKING:
    from unixsvc.interception.pages import PageInterceptors

__all__ = ["KleinBridge"]

_encode: Final = msgspec.json.Encoder().encode
_JSON_TYPES: Final = (dict, list, tuple, msgspec.Struct, msgspec.Raw)
# The results of most routes. Any other may be a Deferred, a coroutine or something that Klein renders.
_AT_ONCE: Final = (str, bytes, *_JSON_TYPES)


class KleinBridge:
    """Runs the pages of a Klein application.

    :param app: the application, to which pages are added.
    :param admission: applies the rate limits of pages.
    :param seconds: the time until a route has to start its response.
    :ivar restricts_all: whether a page needs to be admitted that demands nothing itself.
    """

    def __init__(
        self,
        app: ServiceKlein,
        admission: PageAdmission,
        builder: ResponseBuilder,
        failures: IFailureLog,
        reactor: IReactorTime,
        seconds: float,
    ) -> None:
        self._app = app
        self._admission = admission
        self._pages = app.rules.pages
        self._adapter = self._pages.bind("")
        self._builder = builder
        self._failures = failures
        self._reactor = reactor
        self._seconds = seconds
        self._resource = app.pages()
        self._complete = False
        self._calls: dict[IRequest, KleinCall] = {}
        self._around: Callable[[KleinCall, Call], Call] | None = None
        self.restricts_all = admission.users.restrict_all

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, request: IRequest) -> bool:
        return request in self._calls

    def intercept(self, interceptors: PageInterceptors) -> None:
        """Call interceptors around all pages."""
        # Late: few applications have interceptors.
        from unixsvc.rest.web.intercepted import InterceptedPages

        pages = InterceptedPages(interceptors, self._builder, self._app.dispatch.call, self.route_of)
        self._around = pages.around

    def complete(self) -> None:
        """Add the last error handler, before the first request: the application has added its own by then."""
        if not self._complete:
            self._complete = True
            self._app.handle_errors(Exception)(self._failed)

    def may_have(self, path: str) -> bool:
        """False if there is no route for a path: the beginning of the path rules most out.

        werkzeug merges slashes, and Klein decodes percent-escapes before.
        """
        return path.startswith(self._pages.starts) or "%" in path or "//" in path

    def has_route(self, method: bytes, path: str) -> bool:
        """Whether there is a route for a path, with this method or another."""
        try:
            # As in Klein: percent-escapes are decoded before the path is split.
            text = unquote_to_bytes(path).decode()
            self._adapter.find(text, method.decode("latin-1"))
        except (NoRoute, UnicodeDecodeError):
            return False
        except HTTPException:  # another method, or a redirect
            return True
        return True

    def route_of(self, message: Request) -> RouteInfo | None:
        """The route of a page; None for a request that none of its methods answers."""
        try:
            text = unquote_to_bytes(message.path).decode()
            rule, _ = self._adapter.match(text, message.method, return_rule=True)
        except (HTTPException, UnicodeDecodeError):
            return None
        return RouteInfo(message.method, rule.rule)

    def render(
        self,
        request: WebRequest,
        message: Request,
        context: ResponseContext,
        ended: Ended,
        *,
        tls: bool = False,
    ) -> None:
        """Have a route answer a request.

        :param ended: called when the response is complete, or the client has disconnected.
        :param tls: whether a reverse proxy has received it over TLS.
        """
        if not self._complete:
            self.complete()
        call = self._calls[request] = KleinCall(request, message, context, ended)
        set_headers(request, Response(200, PAGE, self._builder.common_headers(context)))
        if message.extras is not None:
            call.send_reply_headers()
        set_page(request, self._admission.users, message)
        if not context.facts.host:  # HTTP/1.0; Klein requires one
            request.requestHeaders.setRawHeaders(b"Host", [b"localhost"])
        if tls or not hasattr(request.getHost(), "port"):
            _set_origin(request, tls=tls)
        if isinstance(request, HttpRequest):
            request.call_at_end(partial(self._finished, call))
        else:
            request.notifyFinish().addBoth(lambda result: self._finished(call, isinstance(result, Failure)))
        try:
            (self._app.dispatch.pages_for(request) or self._resource).render(request)
        except Exception:  # before the route, as for a Host that is not valid
            body = self._failed(request, Failure())
            request.write(body)
            request.finish()

    def calls(self) -> list[KleinCall]:
        """The requests without a complete response."""
        return list(self._calls.values())

    def abort(self, reason: ServiceError) -> None:
        """Cancel all pending calls; ``reason`` is their response."""
        for call in list(self._calls.values()):
            call.cancel(reason)

    def _finished(self, call: KleinCall, disconnected: bool) -> None:
        self._calls.pop(call.request, None)
        call.end(disconnected=disconnected)

    def limit_route(self, request: IRequest, limits: Sequence[RateLimit], scope: str) -> None:
        """Apply the rate limits of a route.

        :raises unixsvc.errors.RateLimited: if one is exceeded.
        """
        call = self._calls[request]
        try:
            self._admission.limit(call.message, limits, scope)
        finally:
            call.send_reply_headers()

    async def admit(self, request: IRequest, requirements: tuple[Requirement, ...] | None) -> None:
        """Admit a user to a route.

        :raises unixsvc.errors.ServiceError: if the user may not call it.
        """
        call = self._calls[request]
        try:
            await self._admission.users.admit(call.message, requirements)
        finally:
            call.send_reply_headers()

    def run_route(self, request: IRequest, call: Call) -> object:
        """Call a route: its result is encoded, and it is cancelled when its time is up."""
        klein_call = self._calls[request]
        if self._around is not None:
            call = self._around(klein_call, call)
        try:
            result = call()
        except Exception:
            raise
        except BaseException:
            raise klein_call.hidden(Failure()) from None
        if isinstance(result, _AT_ONCE):  # most, and they need no Deferreds
            return self._encode(result, klein_call)
        waiting: Deferred[object] = maybeDeferred(lambda: result)
        return klein_call.follow(waiting, self._reactor, self._seconds).addCallback(self._encode, klein_call)

    def run_error_handler(self, request: IRequest, call: Call) -> Deferred[object]:
        """Call an error handler of the application."""
        klein_call = self._calls[request]
        if self._around is not None and not klein_call.intercepted:  # no route: a redirect, or another method
            call = self._around(klein_call, call)
        return maybeDeferred(call).addCallback(self._encode, klein_call)

    def _encode(self, result: object, call: KleinCall) -> object:
        """The body for what a route has returned: data becomes JSON, anything else is left to Klein."""
        request = call.request
        if request.startedWriting:
            return result
        if call.message.extras is not None:
            call.send_reply_headers()
        if isinstance(result, _JSON_TYPES):
            content_type = request.responseHeaders.getRawHeaders(b"Content-Type")
            response = self._builder.with_body(request.code, JSON, _encode(result), call.context)
            body = set_response(request, response)
            if content_type is not None and request.code != NOT_MODIFIED:  # set by the route
                request.responseHeaders.setRawHeaders(b"Content-Type", content_type)
            return body
        if isinstance(result, str):
            result = result.encode()
        if isinstance(result, bytes) and request.code not in NO_BODY_CODES:
            add_length(request.responseHeaders, len(result))
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
        remove_body_headers(web_request)
        if isinstance(error, HTTPException):
            return set_http_error(web_request, error, self._builder, call.context)
        reply = error_to_reply(error if isinstance(error, ServiceError) else Internal())
        return set_response(web_request, self._builder.from_reply(reply, call.context))


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
