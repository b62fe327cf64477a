"""The route table at work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct

from unixsvc.config import ServiceSettings
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import ConfigError, Unauthorized
from unixsvc.routing.app import App
from unixsvc.routing.binding import Binder, read_signature
from unixsvc.routing.container import ServiceContext, Services
from unixsvc.routing.contract import Promise, describe
from unixsvc.routing.reserved import PREFIX, Reserved, reserved_group
from unixsvc.routing.route import Group, Route
from unixsvc.routing.table import Table, variables_of

__all__ = ["Router"]

_encode: Final = msgspec.json.Encoder().encode


class _Endpoint(Struct, frozen=True):
    """One action, ready to be called.

    :ivar awaited: whether the call gives something to wait for.
    """

    public: bool
    bind: Binder
    action: Callable[..., Any]
    awaited: bool
    meta: dict[str, Any]


class Router:
    """Leads requests to the actions of one application.

    :param app: the application.
    :param settings: of the service that it runs as.
    :param folder: the configuration's folder.
    :param name: of the service.
    :param blocking: runs the actions that block.
    :param reserved: what the paths under ``/-/`` answer with.
    :param values: what containers have before the application registers its own, by type.
    :raises ConfigError: naming the route, for a table that cannot work.
    """

    def __init__(
        self,
        app: App,
        settings: ServiceSettings,
        *,
        folder: str,
        name: str,
        blocking: IBlockingRunner,
        reserved: Reserved,
        values: Mapping[Any, object] | None = None,
    ) -> None:
        self._app = app
        self._run_blocking = blocking.run
        self._services = Services(values or {})
        if app.container is not None:
            app.container(self._services.registry, ServiceContext(name, folder, settings))
        self._table: Table[_Endpoint] = Table(PREFIX.strip("/"))
        self._promises: list[Promise] = []
        for entry in app.routes:
            self._add(entry if isinstance(entry, Group) else Group("", None, [entry]), own=True)
        self._add(reserved_group(reserved, self.contract), own=False)

    async def dispatch(self, request: Request) -> Reply:
        """Have a request answered by its action.

        :raises unixsvc.errors.ServiceError: for whatever the caller may know of.
        """
        endpoint, values = self._table.match(request.method, request.path)
        if not (endpoint.public or request.caller.trusted):
            raise Unauthorized
        if endpoint.meta:
            request = msgspec.structs.replace(request, route_meta=endpoint.meta)
        arguments = endpoint.bind(request, values)
        result = endpoint.action(**arguments)
        # A decorator may hide that an action is async, so what comes back is looked at as well.
        if endpoint.awaited or hasattr(result, "__await__"):
            result = await result
        # Only a msgspec.Raw of the action's own has line ends, and they would end the message.
        return Reply(200, _encode(result).replace(b"\n", b" "))

    def contract(self) -> dict[str, Any]:
        """The routes with their schemas, as :func:`unixsvc.routing.contract.describe` gives them."""
        return describe(self._app.title, self._app.version, self._promises)

    def close(self) -> None:
        """Let go of the controllers and of what they were given."""
        self._services.close()

    def _add(self, group: Group, *, own: bool) -> None:
        controller = self._services.make(group.controller) if group.controller else None
        for route in group.routes:
            path = (group.prefix + route.pattern) or "/"
            where = f"{route.method} {path}"
            if own and (path + "/").startswith(PREFIX + "/"):
                raise ConfigError(
                    where, f"is under {PREFIX}/", "those paths are the framework's; choose another"
                )
            action = _action_of(route, controller, where)
            self._table.add(route.method, path, self._endpoint(route, action, path, where))

    def _endpoint(self, route: Route, action: Callable[..., Any], path: str, where: str) -> _Endpoint:
        signature = read_signature(action, variables_of(path), where)
        promise = Promise(path, route, signature)
        try:
            _encode(describe("", "", [promise]))
        except (TypeError, NameError) as error:
            raise ConfigError(where, f"the result or the meta cannot become JSON: {error}") from None
        self._promises.append(promise)
        awaited = route.blocking or inspect.iscoroutinefunction(action)
        if signature.container:
            action = self._with_container(action, signature.container)
        if route.blocking:
            action = partial(self._in_thread, action)
        return _Endpoint(
            public=route.public,
            bind=Binder(signature, where),
            action=action,
            awaited=awaited,
            meta=route.meta,
        )

    def _with_container(self, action: Callable[..., Any], parameter: str) -> Callable[..., Any]:
        """The action, with a container that is open while it runs.

        Opened where it runs: in a thread it may go on after its request has been answered.
        """
        if inspect.iscoroutinefunction(action):

            async def call_async(**arguments: Any) -> Any:
                with self._services.open() as container:
                    return await action(**arguments, **{parameter: container})

            return call_async

        def call(**arguments: Any) -> Any:
            with self._services.open() as container:
                return action(**arguments, **{parameter: container})

        return call

    def _in_thread(self, action: Callable[..., Any], **arguments: Any) -> Any:
        return self._run_blocking(partial(action, **arguments))


def _action_of(route: Route, controller: Any, where: str) -> Callable[..., Any]:
    """The action as it will be called, checked for what can be run."""
    action = route.action
    if controller is not None:
        name = getattr(action, "__name__", "")
        if not any(action == getattr(each, name, None) for each in type(controller).__mro__):
            raise ConfigError(where, f"{type(controller).__qualname__} has no action {name!r}")
        action = getattr(controller, name)
    if inspect.isasyncgenfunction(action) or inspect.isgeneratorfunction(action):
        raise ConfigError(where, "the action is a generator, and streams are not supported")
    if route.blocking and inspect.iscoroutinefunction(action):
        raise ConfigError(where, "an async action is marked as blocking", "make it a plain def")
    return action
