"""The Klein application of a service: its routes, its mounts and the application's own pages.

Klein finds the route, and the gateway answers, as for each request. The server asks the gateway first, which
looks up the same routes faster, and comes here for pages only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial, wraps
from types import CoroutineType
from typing import Any, Final, Protocol

from klein import Klein
from klein.interfaces import IKleinRequest
from klein.resource import KleinResource
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Request as WebRequest
from werkzeug.exceptions import BadHost

from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start
from unixsvc.limiting.rate_limit import RateLimit
from unixsvc.rest.pages.rate_limit import limits_of
from unixsvc.rest.pages.users import AdmitsUsers, admit_and_call, requirements_of
from unixsvc.rest.response import Response
from unixsvc.rest.server.interfaces import RequestConnection
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.web.endpoint_names import EndpointName, named_routes
from unixsvc.rest.web.responses import WebRequestConnection, WebWriter, head_of
from unixsvc.rest.web.rules import RuleMap, is_expressible, is_page
from unixsvc.rest.web.twisted_internals import share_routes, use_url_map
from unixsvc.routing.route import Group, Route

__all__ = ["Call", "Dispatch", "PageRunner", "ServiceKlein"]

# A route of Klein, called with its arguments; it returns anything, also a Deferred.
Call = Callable[[], object]


class RoutedGateway(Protocol):
    """Answers requests that Klein has dispatched."""

    def answer(
        self, head: Head, body: bytes, connection: RequestConnection, /, page: bool | None
    ) -> Response | None:
        """Answer a request: the response; None if it is written later.

        :param page: whether the path is that of a page; None if Klein cannot know it.
        """


class PageRunner(AdmitsUsers, Protocol):
    """Runs the routes of pages, once the gateway has passed a request to them."""

    def __contains__(self, request: IRequest) -> bool:
        """Whether a request is that of a page."""

    def complete(self) -> None:
        """Add the last error handler."""

    def limit_route(self, request: IRequest, limits: Sequence[RateLimit], scope: str) -> None:
        """Apply the rate limits of a route."""

    def run_route(self, request: IRequest, call: Call) -> object:
        """Call a route; the result is the route's."""

    def run_error_handler(self, request: IRequest, call: Call) -> object:
        """Call an error handler."""


class _Received(Struct):
    """A request as it has come in: Klein moves segments of its path.

    :ivar pages: renders pages.
    """

    head: Head
    body: bytes
    prepath: list[bytes]
    postpath: list[bytes]
    pages: KleinResource


class Dispatch:
    """What a Klein application and its copies share.

    :ivar gateway: answers all requests.
    :ivar runner: runs the routes of pages; None until the service has started.
    :ivar run: as of :class:`~unixsvc.server.context.HttpOptions`.
    :ivar restricts_all: whether rules of the configuration restrict all pages.
    """

    gateway: RoutedGateway
    runner: PageRunner | None = None
    run: Callable[[Awaitable[object]], Awaitable[object]] | None = None
    restricts_all = False

    def __init__(self) -> None:
        self._received: dict[IRequest, _Received] = {}

    def start(
        self,
        gateway: RoutedGateway,
        runner: PageRunner,
        run: Callable[[Awaitable[object]], Awaitable[object]] | None,
    ) -> None:
        """Have requests answered, as the service has started."""
        self.gateway, self.runner, self.run = gateway, runner, run
        self.restricts_all = runner.restricts_all

    def call(self, function: Callable[..., object], *args: object, **kwargs: object) -> object:
        """Call a page; if it is a coroutine function, it may await asyncio and Deferreds, as actions may."""
        result = function(*args, **kwargs)
        if self.run is None or not isinstance(result, CoroutineType):
            return result
        found = start(_as_coroutine(self.run(result)))
        if isinstance(found, SuspendedCoroutine):
            return Deferred.fromCoroutine(await_result(found))
        return found  # most end in their first step, and need no Deferred

    def limit(self, arguments: Sequence[object], limits: Sequence[RateLimit], url: str) -> None:
        """Apply the rate limits of a page.

        :param arguments: of its function: the request, after the instance of a method.
        :raises unixsvc.errors.RateLimited: if one is exceeded.
        """
        request = next(each for each in arguments if IRequest.providedBy(each))
        if self.runner is not None:
            self.runner.limit_route(request, limits, f"page {url}")

    def receive(self, request: WebRequest, pages: KleinResource) -> bool:
        """Keep a request as it is, before Klein dispatches it; false if Klein cannot."""
        body = b""
        if request.content is not None:
            body = request.content.read()
            request.content.seek(0)
        head = head_of(request)
        self._received[request] = _Received(
            head, body, [*(request.prepath or ())], [*(request.postpath or ())], pages
        )
        request.notifyFinish().addBoth(lambda _: self._received.pop(request))
        if self.runner is None or not is_expressible(head.target.partition(b"?")[0]):
            return False
        self.runner.complete()
        return True

    def answer(self, request: WebRequest, page: bool | None = None) -> None:
        """Have the gateway answer a request, at once or later.

        :param page: whether Klein has found a page; None if it has not looked.
        """
        received = self._received[request]
        request.prepath, request.postpath = [*received.prepath], [*received.postpath]
        response = self.gateway.answer(received.head, received.body, WebRequestConnection(request), page)
        if response is not None:
            WebWriter(request).send(response)

    def pages_for(self, request: WebRequest) -> KleinResource | None:
        """Renders the page of a request that Klein dispatches; None for a request of our own server."""
        received = self._received.get(request)
        return None if received is None else received.pages


async def _as_coroutine(awaitable: Awaitable[object]) -> object:
    return await awaitable


class _Answered(Resource):
    """What Klein gets from a route when the gateway answers: rendering it leaves the request alone."""

    isLeaf = True

    def render(self, request: WebRequest) -> int:
        return NOT_DONE_YET


_ANSWERED: Final = _Answered()


class ServiceKlein(Klein):
    """A Klein application whose ``url_map`` has the routes of a service besides its own.

    :param routes: of the table.
    :param mounts: the prefixes of the mounts.
    :ivar dispatch: what its copies share.
    """

    def __init__(self, routes: Sequence[Group | Route] = (), mounts: Iterable[str] = ()) -> None:
        super().__init__()
        self.dispatch = Dispatch()
        self.rules = RuleMap(lambda: named_routes(routes, mounts, self.endpoints), self._register)
        use_url_map(self, self.rules)

    # The declared type has the parameters of werkzeug's Rule.
    def route(self, url: str, *args: Any, **kwargs: Any) -> Any:
        """Add a page; the parameters are those of :meth:`klein.Klein.route`."""
        add = super().route(url, *args, **kwargs)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            limits, needed = limits_of(function), requirements_of(function)

            @wraps(function)
            def call(*args: Any, **kwargs: Any) -> Any:
                if limits:
                    self.dispatch.limit(args, limits, url)
                if needed is not None or self.dispatch.restricts_all:
                    return self.dispatch.call(
                        partial(admit_and_call, self.dispatch.runner, function, needed), *args, **kwargs
                    )
                return self.dispatch.call(function, *args, **kwargs)

            add(call)
            return function

        return decorate

    def resource(self) -> KleinResource:
        """A resource for any site of twisted.web; it may be below a path of that site."""
        return _ServiceResource(self)

    def pages(self) -> KleinResource:
        """The resource that renders pages only, for requests that the gateway has passed on."""
        copy = ServiceKlein()
        copy.dispatch = self.dispatch
        share_routes(self, copy, self.rules.pages)
        return KleinResource(copy)

    def __get__(self, instance: Any, owner: object) -> Klein:
        """Bind to an instance whose methods are routes, as Klein does."""
        bound = super().__get__(instance, owner)
        if isinstance(bound, ServiceKlein) and bound is not self:
            bound.dispatch, bound.rules = self.dispatch, self.rules
        return bound

    def execute_endpoint(self, endpoint: str, request: IRequest, *args: Any, **kwargs: Any) -> Any:
        """Call a route."""

        def call() -> object:
            return super(ServiceKlein, self).execute_endpoint(endpoint, request, *args, **kwargs)

        runner = self.dispatch.runner
        if runner is None or request not in runner or isinstance(endpoint, EndpointName):
            return self._answer(request, page=not isinstance(endpoint, EndpointName))
        return runner.run_route(request, call)

    def execute_error_handler(self, handler: Any, request: IRequest, failure: Failure) -> Any:
        """Call an error handler for a route that has failed, or for a request without a route."""

        def call() -> object:
            return super(ServiceKlein, self).execute_error_handler(handler, request, failure)

        runner = self.dispatch.runner
        if runner is None or request not in runner:
            return self._answer(request, page=is_page(IKleinRequest(request).mapper))
        return runner.run_error_handler(request, call)

    def _answer(self, request: Any, *, page: bool) -> Resource:
        self.dispatch.answer(request, page)
        return _ANSWERED

    def _register(self, name: EndpointName) -> None:
        """Make Klein know the endpoint of a route of the table."""

        def answer(instance: object, request: IRequest, **values: object) -> Resource:
            return self._answer(request, page=False)

        answer.segment_count = 0  # type: ignore[attr-defined]  # Klein moves so many segments of the path
        self.endpoints.setdefault(name, answer)


class _ServiceResource(KleinResource):
    """Has Klein dispatch requests, and the gateway answer them.

    :param app: the application.
    """

    def __init__(self, app: ServiceKlein) -> None:
        super().__init__(app)
        self._dispatch = app.dispatch
        self._rules = app.rules
        self._pages = app.pages()

    def render(self, request: Any) -> Any:
        """Respond, at once or later."""
        self._rules.load()
        if self._dispatch.receive(request, self._pages) and not self._rules.partial:
            with suppress(BadHost):
                return super().render(request)
        self._dispatch.answer(request)
        return NOT_DONE_YET
