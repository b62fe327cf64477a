"""Endpoints: actions prepared for calls, with containers, threads and shields around them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial

from msgspec import Struct

from unixsvc.domain.body_spec import BodyKind, BodySpec
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.json import JsonObject
from unixsvc.domain.request_context import remove_shield, set_shield
from unixsvc.domain.route_series import UNCOUNTED, RouteSeries
from unixsvc.domain.websocket import WEBSOCKET
from unixsvc.errors import ConfigError, ServiceError
from unixsvc.routing.binding import Binder
from unixsvc.routing.container import ServiceContainer
from unixsvc.routing.gates import AccessGate, Gate, GateFactory
from unixsvc.routing.request_container import RequestContainer
from unixsvc.routing.results.maker import MakeReply, ReplyMaker, closing, reply_maker
from unixsvc.routing.route import Action, Route
from unixsvc.routing.signature import Signature, is_plain

__all__ = ["Endpoint", "EndpointFactory", "action_of"]


class Endpoint(Struct, frozen=True):
    """An action that is ready to be called.

    :ivar public: true if the gates decide about callers that are not trusted, or nothing does.
    :ivar plain: true if the arguments are the path variables only, in their order.
    :ivar awaited: true if the result must be awaited.
    :ivar stream: true if the result is a stream.
    :ivar special: true if the result becomes a reply in another way than as JSON.
    :ivar reply: makes that reply.
    :ivar maker: the same, with what it knows of the results.
    :ivar gates: what a request has to pass before its arguments are bound.
    :ivar security: how a request can be admitted, as in OpenAPI; None if the token of the service decides.
    :ivar body: how the route takes the body; None for a JSON object of the usual size.
    :ivar series: where its replies are counted.
    """

    public: bool
    bind: Binder
    action: Action
    plain: bool
    awaited: bool
    stream: bool
    special: bool
    reply: MakeReply
    maker: ReplyMaker
    meta: JsonObject
    gates: tuple[Gate, ...] = ()
    body: BodySpec | None = None
    security: list[dict[str, list[str]]] | None = None
    series: RouteSeries = UNCOUNTED


class EndpointFactory:
    """Creates the endpoints of one router.

    :param container: opens a container for each call of the actions that take one.
    :param blocking: runs blocking actions.
    :param gates: make the gates of each route, in the order in which requests pass them.
    :param series: returns where the replies of a route are counted.
    :ivar shielded: the number of running actions that ignore cancellation by their callers.
    """

    def __init__(
        self,
        container: ServiceContainer,
        blocking: IBlockingRunner,
        gates: Sequence[GateFactory] = (),
        series: Callable[[str], RouteSeries] = lambda route: UNCOUNTED,
    ) -> None:
        self._container = container
        self._series = series
        self._gates = gates
        self._blocking = blocking
        self.shielded = 0

    def make(self, route: Route, action: Action, signature: Signature, where: str) -> Endpoint:
        """Create an endpoint.

        :param action: from :func:`action_of`.
        :param where: the route, for error messages.
        :raises ConfigError: for options that exclude each other.
        """
        awaited = route.blocking or inspect.iscoroutinefunction(action)
        result = signature.result
        maker = reply_maker(
            result,
            route.media_types,
            where,
            allow_nan_as_null=route.allow_nan_as_null,
            heartbeat=route.heartbeat,
        )
        if signature.container and result.stream:
            if result.wrapped:
                remedy = "take a svcs.Container in an async generator, without Response"
                raise ConfigError(where, "a stream in a Response has a container", remedy)
            action = self._stream_with_container(action, signature)
        elif signature.container:
            action, maker = self._with_container(action, signature, maker), maker.after_container()
        if route.blocking and result.stream:
            remedy = "an async generator can await Deferreds"
            raise ConfigError(where, "a stream is marked as blocking", remedy)
        if route.blocking:
            action = partial(self._in_thread, action)
        if route.shield:
            if result.stream:
                raise ConfigError(where, "a stream cannot be shielded", "without a caller it has no reader")
            action, awaited = self._shield(action), True
        found = [make(route, signature, where) for make in self._gates]
        gates = tuple(gate for gate in found if gate is not None)
        access = next((gate for gate in gates if isinstance(gate, AccessGate)), None)
        if signature.body is BodyKind.FORM:
            # Late: few services have files in forms.
            from unixsvc.routing.parameters.files import FormReceiver

            gates += (FormReceiver(signature.sources, self._blocking),)
        apart = signature.apart
        special = signature.body is not BodyKind.OBJECT or route.max_body is not None or apart
        return Endpoint(
            public=route.public or access is not None,
            bind=Binder(signature, where),
            action=action,
            plain=is_plain(signature, action) and not gates,
            awaited=awaited,
            stream=result.stream,
            special=maker.needed,
            reply=maker.function,
            maker=maker,
            meta=route.meta,
            gates=gates,
            security=None if access is None else access.security,
            body=BodySpec(signature.body, route.max_body, apart) if special else None,
            series=self._series(where),
        )

    def _with_container(self, action: Action, signature: Signature, maker: ReplyMaker) -> Action:
        """Return the action with a container that is open during the call.

        The result is encoded before the container ends: a result that cannot be encoded is a failure, too.
        The container is opened in the thread of the action, which may outlive the request.
        """
        if inspect.iscoroutinefunction(action):

            async def call_async(**arguments: object) -> object:
                container = self._container.open()
                return await _finish(
                    container, action(**arguments, **{signature.container: container}), maker
                )

            return call_async

        def call(**arguments: object) -> object:
            container = self._container.open()
            try:
                result = action(**arguments, **{signature.container: container})
                if inspect.isawaitable(result):
                    return _finish(container, result, maker)
                encoded = maker.encoded(result)
            except BaseException as error:
                run_without_waiting(container.finish(error))
                raise
            run_without_waiting(container.finish(None))
            return encoded

        return call

    def _stream_with_container(self, action: Action, signature: Signature) -> Action:
        """Return the action with a container that is open from before the first to after the last item."""

        async def stream(**arguments: object) -> AsyncGenerator[object, None]:
            container = self._container.open()
            try:
                async with closing(action(**arguments, **{signature.container: container})) as items:
                    async for item in items:
                        yield item
            except BaseException as error:  # also GeneratorExit, when the caller cancels the stream
                await container.finish(error)
                raise
            await container.finish(None)

        return stream

    def _shield(self, action: Action) -> Action:
        """Return the action with a shield: its caller does not cancel it by disconnecting."""

        async def call(**arguments: object) -> object:
            shield = object()
            set_shield(shield)
            self.shielded += 1
            try:
                result: object = action(**arguments)
                return await result if inspect.isawaitable(result) else result
            finally:
                self.shielded -= 1
                remove_shield(shield)

        return call

    def _in_thread(self, action: Action, **arguments: object) -> object:
        return self._blocking.run(partial(action, **arguments))


def action_of(route: Route, controller: object | None, where: str) -> Action:
    """Return the action of a route as it will be called: a bound method if there is a controller.

    :param where: the route, for error messages.
    :raises ConfigError: if the action cannot be run, or if a declared error is not one.
    """
    _require_errors(route, where)
    action = route.action
    if controller is not None:
        name = getattr(action, "__name__", "")
        if not any(action == getattr(base, name, None) for base in type(controller).__mro__):
            raise _wrong_action(action, type(controller), where)
        action = getattr(controller, name)
    if route.method == WEBSOCKET and _is_plain_def(action):
        raise ConfigError(where, "the action is a plain def, which cannot await", "make it async def")
    if inspect.isgeneratorfunction(action):
        raise ConfigError(where, "the action is a plain generator", "an async generator makes a stream")
    if route.blocking and inspect.iscoroutinefunction(action):
        raise ConfigError(where, "an async action is marked as blocking", "make it a plain def")
    return action


def _is_plain_def(action: Action) -> bool:
    """Whether an action certainly returns no awaitable; what decorators have made is not known."""
    function = getattr(action, "__func__", action)
    known = inspect.isfunction(function) and not hasattr(function, "__wrapped__")
    return known and not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))


def _wrong_action(action: Action, controller: type, where: str) -> ConfigError:
    """The error for an action that is no method of the controller of its group."""
    name, of = getattr(action, "__name__", ""), controller.__qualname__
    if inspect.ismethod(action):
        bound = type(action.__self__).__qualname__
        return ConfigError(
            where, f"the action is a method of one {bound}", f"name that of the class, {of}.{name}"
        )
    qualified = getattr(action, "__qualname__", name)
    if qualified != name and hasattr(controller, name):
        problem = f"{qualified} is no method of {of}, the controller of the group"
        return ConfigError(where, problem, f"name one of its methods, as {of}.{name}")
    return ConfigError(where, f"{of} has no action {name!r}", "name one of its methods")


async def _finish(container: RequestContainer, awaitable: Awaitable[object], maker: ReplyMaker) -> object:
    """Return the encoded result of an action when its container has ended."""
    try:
        encoded = maker.encoded(await awaitable)
    except GeneratorExit:  # the coroutine was closed, and cannot wait
        container.close()
        raise
    except BaseException as error:
        await container.finish(error)
        raise
    await container.finish(None)
    return encoded


def _require_errors(route: Route, where: str) -> None:
    declared: Sequence[object] = route.errors
    for each in declared:
        if not (isinstance(each, type) and issubclass(each, ServiceError)):
            name = getattr(each, "__qualname__", repr(each))
            raise ConfigError(
                where, f"{name} under errors is not an error", "name subclasses of ServiceError"
            )
        if not 400 <= each.code < 600:
            raise ConfigError(
                where, f"{each.__qualname__} under errors has the code {each.code}", "use 400 to 599"
            )
