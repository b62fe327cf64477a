"""The route table at work."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from functools import partial
from types import CoroutineType
from typing import Any, Final

import msgspec
import svcs
from msgspec import Struct

from unixsvc.config.settings import ServiceSettings
from unixsvc.contract.describe import RouteDescription, describe
from unixsvc.contract.model import Contract
from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.request_context import set_shielded
from unixsvc.errors import ConfigError, Malformed, ServiceError, Unauthorized
from unixsvc.routing.app import App
from unixsvc.routing.binding import Binder
from unixsvc.routing.builtin_routes import PREFIX, BuiltinRoutes, builtin_group
from unixsvc.routing.container import ServiceContainer, ServiceContext
from unixsvc.routing.route import Group, Route
from unixsvc.routing.signature import is_plain, read_signature
from unixsvc.routing.table import Table, variables_of

__all__ = ["Router"]

_encode: Final = msgspec.json.Encoder().encode


class _Endpoint(Struct, frozen=True):
    """One action, ready to be called.

    :ivar plain: whether the action takes the path's variables and nothing else, in their order.
    :ivar awaited: whether the call gives something to wait for.
    :ivar stream: whether it gives items one by one.
    :ivar odd: whether it gives these, or something that it has made.
    """

    public: bool
    bind: Binder
    action: Callable[..., Any]
    plain: bool
    awaited: bool
    stream: bool
    odd: bool
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
    :ivar shielded: how many actions run that are not to be cancelled because their callers have gone.
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
        reserved: BuiltinRoutes,
        values: Mapping[Any, object] | None = None,
    ) -> None:
        self._app = app
        self._run_blocking = blocking.run
        self._services = ServiceContainer(values or {})
        if app.container is not None:
            app.container(self._services.registry, ServiceContext(name, folder, settings))
        self.shielded = 0
        self._table: Table[_Endpoint] = Table(PREFIX.strip("/"))
        self._descriptions: list[RouteDescription] = []
        self._opens_containers = False
        for entry in app.routes:
            self._add(entry if isinstance(entry, Group) else Group("", None, [entry]), own=True)
        opens_containers = self._opens_containers
        self._add(builtin_group(reserved, self.contract), own=False)
        self._opens_containers = opens_containers  # the container of /-/health does not count

    def dispatch(self, request: Request) -> Reply | Awaitable[Reply]:
        """Have a request answered by its action: at once, if that does not wait.

        :raises unixsvc.errors.ServiceError: for whatever the caller may know of.
        """
        endpoint, values = self._table.match(request.method, request.path)
        if not (endpoint.public or request.caller.trusted):
            raise Unauthorized
        if endpoint.plain:
            result = endpoint.action(*values)
        else:
            if endpoint.meta:
                request = msgspec.structs.replace(request, route_meta=endpoint.meta)
            result = endpoint.action(**endpoint.bind(request, values))
        if type(result) is CoroutineType:
            try:  # as begin() does, for which every request would pay with a call
                waiting = result.send(None)
            except StopIteration as stop:
                result = stop.value
            else:
                return _wait(endpoint, SuspendedCoroutine(result, waiting))
        # A decorator may hide that an action is async, so what comes back is looked at as well.
        elif endpoint.awaited or hasattr(result, "__await__"):
            return _wait(endpoint, result)
        if endpoint.odd:
            return _odd_reply(endpoint, result)
        # Only a msgspec.Raw of the action's own has line ends, and they would end the message.
        return Reply(200, _encode(result).replace(b"\n", b" "))

    def check(self, request: Request) -> bool:
        """Do all that :meth:`dispatch` does before it calls the action.

        The two say it each for themselves: every request takes that way, and a call more is felt there.

        :returns: whether its answer would be a stream.
        :raises unixsvc.errors.ServiceError: what would keep the action from being called.
        """
        endpoint, values = self._table.match(request.method, request.path)
        if not (endpoint.public or request.caller.trusted):
            raise Unauthorized
        endpoint.bind(request, values)
        return endpoint.stream

    def answers(self, path: str) -> bool:
        """Whether there is such a path, whatever the method."""
        try:
            return self._table.knows(path)
        except Malformed:
            return True  # and the answer is what is wrong with it

    def contract(self) -> Contract:
        """Return the contract of the application, with the routes that every service has."""
        return describe(self._app.title, self._app.version, self._descriptions)

    @property
    def paths(self) -> list[str]:
        """The patterns of all paths."""
        return [each.path for each in self._descriptions]

    def may_use(self, kind: type) -> bool:
        """Whether an action can have got hold of one of the values of the containers."""
        return self._opens_containers or kind in self._services.given

    def provide(self, function: Callable[[Any, svcs.Container], None], argument: Any) -> None:
        """Call something with an argument, and the container that lives as long as the worker."""
        function(argument, self._services.container)

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
        _require_errors(route, where)
        signature = read_signature(action, variables_of(path), where)
        description = RouteDescription(
            method=route.method,
            path=path,
            action=route.action,
            title=route.title,
            description=route.description,
            public=route.public,
            deprecated=route.deprecated,
            tags=route.tags,
            errors=route.errors,
            meta=route.meta,
            stream=signature.stream,
            created=signature.created,
            path_arguments=signature.path,
            data=signature.data,
            result=signature.returns,
        )
        try:
            _encode(describe("", "", [description]))
        except (TypeError, NameError) as error:
            raise ConfigError(where, f"the result or the meta cannot become JSON: {error}") from None
        self._descriptions.append(description)
        awaited = route.blocking or inspect.iscoroutinefunction(action)
        if signature.container:
            self._opens_containers = True
            wrap = self._stream_with_container if signature.stream else self._with_container
            action = wrap(action, signature.container)
        if route.blocking and signature.stream:
            raise ConfigError(
                where, "a stream is marked as blocking", "an async generator waits for Deferreds"
            )
        if route.blocking:
            action = partial(self._in_thread, action)
        if route.shield:
            if signature.stream:
                raise ConfigError(where, "a stream cannot be shielded", "nobody would take its items")
            action, awaited = self._shield(action), True
        return _Endpoint(
            public=route.public,
            bind=Binder(signature, where),
            action=action,
            plain=is_plain(signature, action),
            awaited=awaited,
            stream=signature.stream,
            odd=signature.stream or signature.created,
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

    def _stream_with_container(self, action: Callable[..., Any], parameter: str) -> Callable[..., Any]:
        """The action, with a container that is open from before its first item to after its last."""

        async def stream(**arguments: Any) -> AsyncGenerator[Any, None]:
            with self._services.open() as container:
                async with _closing(action(**arguments, **{parameter: container})) as items:
                    async for each in items:
                        yield each

        return stream

    def _shield(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """The action, where a caller that goes away does not cancel it."""

        async def call(**arguments: Any) -> Any:
            set_shielded(True)
            self.shielded += 1
            try:
                result = action(**arguments)
                return await result if hasattr(result, "__await__") else result
            finally:
                self.shielded -= 1
                set_shielded(False)

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
    if inspect.isgeneratorfunction(action):
        raise ConfigError(where, "the action is a plain generator", "make it async, and it is a stream")
    if route.blocking and inspect.iscoroutinefunction(action):
        raise ConfigError(where, "an async action is marked as blocking", "make it a plain def")
    return action


def _require_errors(route: Route, where: str) -> None:
    each: Any
    for each in route.errors:
        if not (isinstance(each, type) and issubclass(each, ServiceError)):
            name = getattr(each, "__qualname__", repr(each))
            raise ConfigError(where, f"{name} under errors is no failure", "name subclasses of ServiceError")
        if not 400 <= each.code < 600:
            raise ConfigError(where, f"{each.__qualname__} under errors has the code {each.code}")


def _closing(items: Any) -> AbstractAsyncContextManager[AsyncIterable[Any]]:
    # A decorator may give something else than a generator, that need not be closed.
    return aclosing(items) if hasattr(items, "aclose") else nullcontext(items)


async def _wait(endpoint: _Endpoint, result: Awaitable[Any]) -> Reply:
    answer = await result
    return _odd_reply(endpoint, answer) if endpoint.odd else Reply(200, _encode(answer).replace(b"\n", b" "))


def _odd_reply(endpoint: _Endpoint, result: Any) -> Reply:
    if endpoint.stream:
        return Reply(items=_encoded(result))
    return Reply(200, _encode(result.value).replace(b"\n", b" "), location=result.location)


async def _encoded(items: AsyncIterable[Any]) -> AsyncGenerator[bytes, None]:
    """Each item as JSON; where this is closed, so are they."""
    async with _closing(items):
        async for each in items:
            yield _encode(each).replace(b"\n", b" ")
