"""The router: dispatches requests to the actions of an application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import CoroutineType
from typing import Final, TypeVar

import msgspec
import svcs

from unixsvc.contract.describe import RouteDescription, describe
from unixsvc.contract.model import Contract
from unixsvc.domain.action_runner import ActionRunner, PlainRunner
from unixsvc.domain.body_spec import NO_ROUTE, BodySpec
from unixsvc.domain.idempotency_key import invalid_key
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.refusal import refusal_of
from unixsvc.domain.request_context import current_slot
from unixsvc.domain.route_info import RouteInfo
from unixsvc.domain.route_series import UNCOUNTED, RouteSeries
from unixsvc.domain.validation.pydantic_models import encode_model
from unixsvc.errors import ConfigError, Malformed, ServiceError
from unixsvc.routing.app import App, check_error_hook
from unixsvc.routing.builtin_routes import PREFIX, BuiltinRoutes, builtin_group
from unixsvc.routing.container import ServiceContainer
from unixsvc.routing.endpoint import Endpoint, EndpointFactory, action_of
from unixsvc.routing.gates import GateFactory, pass_gates
from unixsvc.routing.pattern import variables_of
from unixsvc.routing.route import Group, Route
from unixsvc.routing.route_description import describe_route, require_body
from unixsvc.routing.signature import Signature, read_signature
from unixsvc.routing.table import Table

__all__ = ["Router"]

_T = TypeVar("_T")
_encode: Final = msgspec.json.Encoder(enc_hook=encode_model).encode


class Router:
    """The routes of one application.

    :param app: the application.
    :param container: the container of the worker.
    :param controllers: the controllers, by their classes.
    :param blocking: runs blocking actions.
    :param builtin: the functions of the built-in routes.
    :param runner: runs async actions; None if there is no asyncio event loop.
    :param gates: make the gates of each route, in the order in which requests pass them.
    :param security_schemes: how users authenticate, for the contract.
    :param series: returns where the replies of a route are counted.
    :raises ConfigError: naming the route, for a route that can never work.
    :ivar runner: runs async actions.
    """

    def __init__(
        self,
        app: App,
        container: ServiceContainer,
        controllers: Mapping[type, object],
        *,
        blocking: IBlockingRunner,
        builtin: BuiltinRoutes,
        runner: ActionRunner | None = None,
        gates: Sequence[GateFactory] = (),
        security_schemes: JsonObject | None = None,
        series: Callable[[str], RouteSeries] = lambda route: UNCOUNTED,
    ) -> None:
        check_error_hook(app)
        self._app = app
        self._security_schemes = security_schemes or {}
        self.runner: ActionRunner = PlainRunner() if runner is None else runner
        self._container = container
        self._controllers = controllers
        self._endpoints = EndpointFactory(container, blocking, gates, series)
        self._table: Table[Endpoint] = Table(PREFIX.strip("/"))
        self._descriptions: list[RouteDescription] = []
        self._infos: dict[int, RouteInfo] = {}  # by the id of the endpoint
        self._page_of: Callable[[Request], RouteInfo | None] | None = None
        self._opens_containers = False
        self._has_special_bodies = False
        for entry in app.routes:
            group = entry if isinstance(entry, Group) else Group("", None, [entry])
            signatures = self._add(group, builtin=False)
            self._opens_containers |= any(signature.container for signature in signatures)
        self._add(builtin_group(builtin, self.contract), builtin=True)

    def dispatch(self, request: Request) -> Reply | Awaitable[Reply]:  # noqa: C901 # calls would cost more
        """Call the action of a request; return the reply, or an awaitable if the action waits.

        :raises unixsvc.errors.ServiceError: for each error that the caller may see.
        """
        endpoint, values = self._table.match(request.method, request.path)
        current_slot().series = endpoint.series
        if not (endpoint.public or request.caller.trusted):
            raise refusal_of(request)
        if endpoint.plain:
            result = endpoint.action(*values)
        else:
            if endpoint.gates and (waiting := self._pass_gates(endpoint, request)) is not None:
                return self._call_later(waiting, endpoint, request, values)
            if endpoint.meta:
                request.own_extras().route_meta = endpoint.meta
            result = endpoint.action(**endpoint.bind(request, values))
        if type(result) is CoroutineType:
            runner = self.runner
            loop, task, current = runner.loop, runner.task, runner.current
            if loop in current:  # the caller runs in another task
                task = runner.enter_nested()
            else:
                current[loop] = task
            try:  # the body of domain.coroutine.start(), without the cost of its call
                awaited = result.send(None)
            except StopIteration as stop:
                result = stop.value
            else:
                return _wait(endpoint, runner, runner.suspend(task, result, awaited))
            finally:
                del current[loop]
                if task.touched:
                    runner.settle(task)
        # A decorator may hide that an action is async, so the result is checked as well.
        elif endpoint.awaited or hasattr(result, "__await__"):
            return _wait(endpoint, self.runner, self.runner.run(result))
        if endpoint.special:
            return endpoint.reply(result, self.runner)
        # The encoder writes no line ends, but the msgspec.Raw of an action may contain some; they end a
        # message.
        return Reply(200, _encode(result).replace(b"\n", b" "))

    def check(self, request: Request) -> bool | Awaitable[bool]:
        """Do the steps of :meth:`dispatch` before the call of the action.

        The code is repeated there, because every request would pay for a call of a shared function.

        A request that has passed its gates here does not have to pass them again.

        :returns: whether the reply would be a stream or a file; or an awaitable if a gate waits.
        :raises unixsvc.errors.ServiceError: if the action would not be called.
        """
        endpoint, values = self._table.match(request.method, request.path)
        if not (endpoint.public or request.caller.trusted):
            raise refusal_of(request)
        if endpoint.body is not None and endpoint.body.arrives_later:
            raise invalid_key("cannot be used for an upload")
        if endpoint.gates and (waiting := self._pass_gates(endpoint, request)) is not None:
            return self._check_later(waiting, endpoint, request, values)
        endpoint.bind(request, values)
        return endpoint.stream or endpoint.maker.result.file

    def _pass_gates(self, endpoint: Endpoint, request: Request) -> Awaitable[None] | None:
        extras = request.own_extras()
        if extras.passed_gates:
            return None
        extras.passed_gates = True
        waiting = pass_gates(endpoint.gates, request)
        return None if waiting is None else self.runner.run(waiting)

    async def _check_later(
        self, waiting: Awaitable[None], endpoint: Endpoint, request: Request, values: Sequence[object]
    ) -> bool:
        await waiting
        endpoint.bind(request, values)
        return endpoint.stream or endpoint.maker.result.file

    async def _call_later(
        self, waiting: Awaitable[None], endpoint: Endpoint, request: Request, values: Sequence[object]
    ) -> Reply:
        """Call the action of a request that a gate has kept waiting."""
        await waiting
        if endpoint.meta:
            request.own_extras().route_meta = endpoint.meta
        result = endpoint.action(**endpoint.bind(request, values))
        if hasattr(result, "__await__"):
            result = await self.runner.run(result)
        if endpoint.special:
            return endpoint.reply(result, self.runner)
        return Reply(200, _encode(result).replace(b"\n", b" "))

    def body_spec(self, method: str, path: str) -> BodySpec | None:
        """Return how the route of a request takes the body; None for a JSON object.

        ``NO_ROUTE`` if none serves this method and path: the reply is 404 or 405, whatever the body is.
        """
        if not self._has_special_bodies:
            return None
        try:
            endpoint, _ = self._table.match(method, path)
        except ServiceError:
            return NO_ROUTE
        return endpoint.body

    @property
    def has_special_bodies(self) -> bool:
        """Whether a route takes the body as something other than a JSON object of the usual size."""
        return self._has_special_bodies

    def has_path(self, path: str) -> bool:
        """Return whether a route has the path, with any method."""
        try:
            return self._table.has_path(path)
        except Malformed:
            return True  # dispatch() replies with the error

    def has_get_only(self, path: str) -> bool:
        """Return whether a path has a route for GET, and none for HEAD."""
        try:
            methods = self._table.methods(path)
        except Malformed:
            return False
        return "GET" in methods and "HEAD" not in methods

    def add_pages(self, route_of: Callable[[Request], RouteInfo | None]) -> None:
        """Have :meth:`route_of` find the routes of pages, too.

        :param route_of: finds the route of a page.
        """
        self._page_of = route_of

    def route_of(self, request: Request) -> RouteInfo | None:
        """Return the route of a request, also of one for a page; None if it has none, as one for a mount."""
        try:
            endpoint, _ = self._table.match(request.method, request.path)
        except ServiceError:
            return None if self._page_of is None else self._page_of(request)
        return self._infos[id(endpoint)]

    def contract(self) -> Contract:
        """Return the contract of the application, with the built-in routes."""
        return describe(self._app.title, self._app.version, self._descriptions, self._security_schemes)

    @property
    def paths(self) -> list[str]:
        """The patterns of all paths."""
        return [description.path for description in self._descriptions]

    @property
    def shielded(self) -> int:
        """The number of running actions that ignore cancellation by their callers."""
        return self._endpoints.shielded

    def may_use(self, svc_type: type) -> bool:
        """Return whether an action can have obtained a value of this type from a container."""
        return self._opens_containers or svc_type in self._container.provided

    def provide(self, function: Callable[[_T, svcs.Container], None], argument: _T) -> None:
        """Call a function with an argument and with the container of the worker."""
        function(argument, self._container.container)

    def _add(self, group: Group, *, builtin: bool) -> list[Signature]:
        controller = self._controllers[group.controller] if group.controller else None
        return [
            self._add_route(group.completed(route), group.prefix, controller, builtin=builtin)
            for route in group.routes
        ]

    def _add_route(self, route: Route, prefix: str, controller: object, *, builtin: bool) -> Signature:
        path = (prefix + route.pattern) or "/"
        where = f"{route.method} {path}"
        if not builtin and (path + "/").startswith(PREFIX + "/"):
            raise ConfigError(where, f"is under {PREFIX}/", "this prefix is reserved; choose another path")
        action = action_of(route, controller, where)
        signature = read_signature(action, variables_of(path), where)
        require_body(route.method, signature, where)
        endpoint = self._endpoints.make(route, action, signature, where)
        self._descriptions.append(describe_route(route, path, signature, endpoint, where))
        self._has_special_bodies |= endpoint.body is not None
        self._table.add(route.method, path, endpoint)
        self._infos[id(endpoint)] = RouteInfo(route.method, path, route.title, route.meta)
        return signature


async def _wait(endpoint: Endpoint, runner: ActionRunner, awaitable: Awaitable[Json]) -> Reply:
    result = await awaitable
    if endpoint.special:
        return endpoint.reply(result, runner)
    return Reply(200, _encode(result).replace(b"\n", b" "))
