"""Controllers and what they need, from the application's svcs registry."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import svcs
from msgspec import Struct

from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError
from unixsvc.routing.signature import resolve_hints

__all__ = ["ServiceContainer", "ServiceContext"]


class ServiceContext(Struct, frozen=True):
    """Where an application finds itself: the second argument of its container function.

    :ivar name: of the service.
    :ivar folder: the configuration's folder, for files of the service.
    """

    name: str
    folder: str
    settings: ServiceSettings

    @property
    def options(self) -> dict[str, Any]:
        """What the configuration hands to the application."""
        return self.settings.options


class ServiceContainer:
    """The registry of one worker, and a container that lives as long.

    :param values: registered before the application registers its own, by type.
    :ivar given: those of them that somebody has asked for.
    :ivar container: lives as long as the worker.
    """

    def __init__(self, values: Mapping[Any, object]) -> None:
        self.registry = svcs.Registry()
        self.given: set[Any] = set()
        for kind, value in values.items():
            self._register(kind, value)
        self.container = svcs.Container(self.registry)

    def make(self, controller: type) -> Any:
        """Make a controller, its arguments by the annotations of ``__init__``.

        :raises ConfigError: for an argument that has no annotation, or that nobody registered.
        """
        where = f"{controller.__qualname__}.__init__"
        parameters = inspect.signature(controller).parameters
        hints = resolve_hints(inspect.getattr_static(controller, "__init__"), where) if parameters else {}
        arguments = {}
        for name, parameter in parameters.items():
            if name not in hints:
                raise ConfigError(where, f"{name!r} has no annotation")
            if hints[name] not in self.registry and parameter.default is not parameter.empty:
                continue
            try:
                arguments[name] = self.container.get(hints[name])
            except svcs.exceptions.ServiceNotFoundError as error:
                [missing] = error.args  # may be something that the argument itself needs
                raise ConfigError(
                    where,
                    f"nothing is registered for {name!r}",
                    f"register {getattr(missing, '__qualname__', missing)} in the application's container",
                ) from None
        return controller(**arguments)

    def _register(self, kind: Any, value: object) -> None:
        def give() -> object:
            self.given.add(kind)
            return value

        self.registry.register_factory(kind, give, enter=False)

    def open(self) -> svcs.Container:
        """A container for one request; the caller closes it."""
        return svcs.Container(self.registry)

    def close(self) -> None:
        """Let go of everything that was made."""
        self.container.close()
        self.registry.close()
