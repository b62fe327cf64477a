"""Dependency injection: controllers and their arguments from the application's svcs registry."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import svcs
from msgspec import Struct

from unixsvc.config.settings import ServiceSettings
from unixsvc.domain.json import JsonObject
from unixsvc.errors import ConfigError
from unixsvc.routing.request_container import RequestContainer
from unixsvc.routing.signature import resolve_hints

__all__ = ["MissingOption", "ServiceContainer", "ServiceContext"]

_T = TypeVar("_T")


class ServiceContext(Struct, frozen=True):
    """The service in which an application runs: the second argument of its container function.

    :ivar name: the name of the service.
    :ivar folder: the directory of the configuration, for files of the service.
    """

    name: str
    folder: str
    settings: ServiceSettings

    @property
    def options(self) -> JsonObject:
        """The ``options`` of the service in the configuration. A missing key is a ``MissingOption``."""
        return _Options(self.settings.options, self.name)


class MissingOption(ConfigError, KeyError):
    """The application needs an option that the configuration does not have."""


class _Options(dict[str, Any]):
    """The options of a service, which name the service if one is missing."""

    def __init__(self, values: JsonObject, service: str) -> None:
        super().__init__(values)
        self._service = service

    def __missing__(self, key: str) -> object:
        where = f"options of {self._service}"
        raise MissingOption(where, f"has no {key!r}, which the application needs", f"write {key} = ...")


class ServiceContainer:
    """The registry of one worker, with a container that has the lifetime of the worker.

    :param values: registered before the application registers its own, by type.
    :ivar provided: the types of those values that have been requested.
    :ivar container: the container of the worker.
    """

    def __init__(self, values: Mapping[type, object]) -> None:
        self.registry = svcs.Registry()
        self.provided: set[type] = set()
        for svc_type, value in values.items():
            self._register(svc_type, value)
        self.container = svcs.Container(self.registry)

    async def make(self, controller: type[_T]) -> _T:
        """Instantiate a controller; the annotations of ``__init__`` choose the arguments.

        :raises ConfigError: for an argument without an annotation, or of a type that is not registered.
        """
        where = f"{controller.__qualname__}.__init__"
        parameters = inspect.signature(controller).parameters
        hints = resolve_hints(inspect.getattr_static(controller, "__init__"), where) if parameters else {}
        arguments: JsonObject = {}
        for name, parameter in parameters.items():
            if name not in hints:
                raise ConfigError(where, f"{name!r} has no annotation")
            svc_type: Any = hints[name]
            if svc_type not in self.registry and parameter.default is not parameter.empty:
                continue
            try:
                arguments[name] = await self.container.aget(svc_type)
            except svcs.exceptions.ServiceNotFoundError as error:
                [missing] = error.args  # may be a dependency of the argument
                raise ConfigError(
                    where,
                    f"nothing is registered for {name!r}",
                    f"register {getattr(missing, '__qualname__', missing)} in the application's container",
                ) from None
        return controller(**arguments)

    def _register(self, svc_type: type, value: object) -> None:
        def provide() -> object:
            self.provided.add(svc_type)
            return value

        self.registry.register_factory(svc_type, provide, enter=False)

    def provide(self, value: object, svc_type: type | None) -> None:
        """Register what the lifespan of the application has yielded.

        :param value: None for nothing; a dict whose keys are types for several values.
        :param svc_type: the declared type; None for that of the value.
        """
        if value is None:
            return
        values: Mapping[type, object] = {svc_type or type(value): value}
        if isinstance(value, Mapping) and value and all(isinstance(key, type) for key in value):
            values = value
        for key, each in values.items():
            self.registry.register_value(key, each)

    def open(self) -> RequestContainer:
        """Return a container for one request; the caller closes it."""
        return RequestContainer(self.registry)

    async def close(self) -> None:
        """Close the container and the registry, and so everything that they have made."""
        await self.container.aclose()
        await self.registry.aclose()
