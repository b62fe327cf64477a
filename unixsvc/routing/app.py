"""What an application hands to the framework."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import svcs
from msgspec import Struct

from unixsvc.errors import ConfigError
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.route import Group, Route

__all__ = ["NOTHING", "App", "load_app", "load_object"]


class App(Struct, frozen=True):
    """One application: what it answers, and what its controllers need.

    :ivar routes: groups, and single routes whose actions are functions.
    :ivar container: registers what controllers ask for; called once in each worker.
    :ivar title: for people who read the contract.
    :ivar version: of the contract.
    :ivar mounts: by a prefix of paths, who answers those: another service, by its name as ``user``, or with
        the prefix that its own paths have instead, as ``user:/people``; or any other
        :class:`~unixsvc.domain.interfaces.IRouterDatasource`.
    :ivar web: adds routes of the application's own to the :class:`klein.Klein` of a worker that answers over
        HTTP, for what is no message: pages, uploads, websites. It is given a container as well.
    """

    routes: Sequence[Group | Route]
    container: Callable[[svcs.Registry, ServiceContext], None] | None = None
    title: str = ""
    version: str = ""
    mounts: dict[str, Any] = {}
    web: Callable[[Any, svcs.Container], None] | None = None


NOTHING: Final = App([])
"""An application without routes, for a service that only mounts others."""


def load_app(spec: str) -> App:
    """Import an application.

    :param spec: ``package.module:name``.
    :raises ConfigError: if there is no such thing, or it is no :class:`App`. What the module itself
        raises is not caught: its author needs the traceback.
    """
    found = load_object(spec)
    if not isinstance(found, App):
        raise ConfigError(spec, f"is no App, but a {type(found).__name__}")
    return found


def load_object(spec: str) -> Any:
    """Import what a configuration names.

    :param spec: ``package.module:name``.
    :raises ConfigError: if there is no such thing.
    """
    module_name, _, name = spec.partition(":")
    if not (module_name and name):
        raise ConfigError(repr(spec), "names nothing", "write it as package.module:name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that is there, but imports one that is not, is its author's affair.
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        remedy = "put it beside the configuration, or install it"
        raise ConfigError(spec, f"there is no module {error.name!r}", remedy) from None
    try:
        return getattr(module, name)
    except AttributeError:
        raise ConfigError(spec, f"{module_name} has no {name!r}") from None
