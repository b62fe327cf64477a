"""Functions of an application about users; their further arguments come from the container."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import NoneType, UnionType
from typing import Any, Protocol, TypeAlias, Union, get_args, get_origin, get_type_hints

import svcs

from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError

__all__ = ["OpenContainer", "UserFunction", "named_types"]


class RequestScope(Protocol):
    """A container for one request."""

    async def aget(self, *svc_types: Any) -> Any:
        """Return values by their types."""

    async def finish(self, error: BaseException | None) -> None:
        """End the values."""

    def close(self) -> None:
        """End the values without waiting."""


OpenContainer: TypeAlias = Callable[[], RequestScope]


class UserFunction:
    """A function whose first argument is a value: credentials, or a user.

    Its other parameters have annotations: the :class:`~unixsvc.Request`, a ``svcs.Container``, or a type that
    is registered in the container. A container that it needs is open while it runs.

    :param where: the place of the function, for error messages.
    :raises ConfigError: for a parameter that can never get a value.
    :ivar takes: the annotation of the first parameter; None without one.
    :ivar waits: whether its result has to be awaited.
    :ivar types: the types of the user that it may return; empty if that is not declared.
    """

    def __init__(self, function: Callable[..., object], where: str) -> None:
        if not callable(function):
            raise ConfigError(where, f"a {type(function).__name__} is no function", "give it a function")
        self._function = function
        hints = _hints(function, where)
        try:
            first, *others = inspect.signature(function).parameters.values()
        except ValueError:
            raise ConfigError(where, "takes no argument", "give it a parameter for the credentials") from None
        self.takes: Any = hints.get(first.name)
        self.types = (function,) if isinstance(function, type) else named_types(hints.get("return"))
        self.waits = inspect.iscoroutinefunction(inspect.unwrap(function))
        self._request = ""
        self._services: dict[str, Any] = {}
        for parameter in others:
            self._add(parameter, hints.get(parameter.name), where)

    def _add(self, parameter: inspect.Parameter, hint: Any, where: str) -> None:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return
        if hint is None or parameter.kind is parameter.POSITIONAL_ONLY:
            if parameter.default is not parameter.empty:
                return
            problem = f"the parameter {parameter.name!r} has no annotation, or no name"
            raise ConfigError(where, problem, "annotate it with a type of the container")
        if hint is Request:
            self._request = parameter.name
        else:
            self._services[parameter.name] = hint
            self.waits = True

    def __call__(self, value: object, request: Request, open_container: OpenContainer) -> Any:
        """Call the function.

        :returns: its result, or an awaitable for it. The application decides about the type.
        """
        if self._services:
            return self._call_with_services(value, request, open_container())
        return self._function(value, **self._arguments(request))

    async def _call_with_services(self, value: object, request: Request, container: RequestScope) -> object:
        arguments = self._arguments(request)
        try:
            for name, service in self._services.items():
                is_container = service is svcs.Container
                arguments[name] = container if is_container else await container.aget(service)
            result = self._function(value, **arguments)
            if inspect.isawaitable(result):
                result = await result
        except GeneratorExit:  # the coroutine was closed, and cannot wait
            container.close()
            raise
        except BaseException as error:
            await container.finish(error)
            raise
        await container.finish(None)
        return result

    def _arguments(self, request: Request) -> dict[str, object]:
        return {self._request: request} if self._request else {}


def named_types(hint: Any) -> tuple[type, ...]:
    """Return the classes of an annotation without None; empty if one of its types is not a class."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        members = [each for each in get_args(hint) if each is not NoneType]
    elif (origin is not None and origin is Awaitable) or getattr(origin, "__name__", "") == "Coroutine":
        return named_types(get_args(hint)[-1])
    else:
        members = [hint]
    classes = tuple(each for each in members if isinstance(each, type) and get_origin(each) is None)
    return classes if len(classes) == len(members) and object not in classes else ()


def _hints(function: Callable[..., object], where: str) -> dict[str, Any]:
    name = "__init__" if isinstance(function, type) else "__call__"
    target = function if inspect.isroutine(function) else getattr(function, name)
    try:
        return get_type_hints(getattr(target, "__func__", target), include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ConfigError(
            where,
            f"an annotation cannot be resolved: {error}",
            "import it at run time",
        ) from None
