"""The definition of an application, and its import."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import svcs
from msgspec import Struct

from unixsvc.authentication.guards import Permissions
from unixsvc.authentication.interfaces import Scheme
from unixsvc.domain.message import Request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.errors import ConfigError
from unixsvc.interception.call import Interceptor
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.definition import (
    require_function,
    require_items,
    require_list,
    require_mapping,
    require_text,
)
from unixsvc.routing.route import Group, Route
from unixsvc.schedules.spec import Schedule
from unixsvc.typing import IRouterDatasource

if TYPE_CHECKING:
    from klein import Klein

__all__ = [
    "NOTHING",
    "App",
    "ErrorHook",
    "Lifespan",
    "Mount",
    "check_error_hook",
    "load_app",
    "load_object",
    "schemes_of",
]

Mount: TypeAlias = str | IRouterDatasource
Schemes: TypeAlias = Scheme | Sequence[Scheme]
Authenticate: TypeAlias = Schemes | Callable[[ServiceContext], Schemes] | None
ErrorHook: TypeAlias = Callable[[BaseException, Request, RouteInfo | None], object]
Lifespan: TypeAlias = Callable[[ServiceContext], AbstractAsyncContextManager[object] | AsyncIterator[object]]


class App(Struct, frozen=True):
    """An application.

    :ivar routes: groups of routes, and routes whose actions are functions.
    :ivar container: registers the dependencies of the controllers; called once in each worker.
    :ivar title: the title of the contract.
    :ivar version: the version of the contract.
    :ivar mounts: other services by path prefix: the name of a service, as ``user``; a name with the prefix
        that the paths have in that service, as ``user:/people``; or any
        :class:`~unixsvc.IRouterDatasource`.
    :ivar lifespan: an async context manager, or an async generator function, that takes the
        :class:`~unixsvc.routing.container.ServiceContext`. Each worker enters it before it is ready, and
        leaves it after the last reply. The container has what it yields: under the declared type, as of
        ``AsyncIterator[Pool]``, or under each key of a dict whose keys are types.
    :ivar web: adds routes of the application's own to the :class:`klein.Klein` application of an HTTP worker,
        for pages, uploads or redirects. The second argument is a container.
    :ivar schedules: periodic work, made by :func:`~unixsvc.every` and :func:`~unixsvc.cron`. Each runs once
        in the service, in one of the workers.
    :ivar interceptors: code around each call, the first outermost. A class is instantiated once for each
        worker, with arguments from the container, as a controller is.
    :ivar client_interceptors: the same around the calls to other services, by actions and by mounts.
    :ivar error_hook: called on the event loop with each exception of an action that becomes a 500, after it
        is logged, with the request, and with its route or None. It is a plain function that does not wait.
    :ivar authenticate: how users authenticate: a scheme, as :class:`~unixsvc.Bearer`, or several; or a
        function that returns them for the :class:`~unixsvc.ServiceContext`, where keys are in the options.
    :ivar permissions: what permissions a user has, for ``requires`` of routes: the name of an attribute of
        the user, or a function of the user. They are a set or a list, or a text with spaces.
    """

    routes: Sequence[Group | Route]
    container: Callable[[svcs.Registry, ServiceContext], None] | None = None
    title: str = ""
    version: str = ""
    mounts: dict[str, Mount] = {}
    web: Callable[[Klein, svcs.Container], None] | None = None
    schedules: Sequence[Schedule] = ()
    error_hook: ErrorHook | None = None
    lifespan: Lifespan | None = None
    authenticate: Authenticate = None
    permissions: Permissions = "scopes"
    interceptors: Sequence[Interceptor | type] = ()
    client_interceptors: Sequence[Interceptor] = ()

    def __post_init__(self) -> None:
        require_list(self.routes, "App", "routes", "App([...])")
        remedy = "write a route, as GET(path, action), or a Group of them"
        require_items(self.routes, (Group, Route), "App", "routes", remedy)
        for name in ("container", "web", "lifespan"):
            if (function := getattr(self, name)) is not None:
                require_function(function, "App", name)
        for name in ("interceptors", "client_interceptors", "schedules"):
            require_list(getattr(self, name), "App", name, f"{name}=[...]")
        require_text(self.title, "App", "title")
        require_text(self.version, "App", "version")
        require_mapping(self.mounts, "App", "mounts", 'mounts={"/path": "service"}')


NOTHING: Final = App([])
"""An application without routes, for a service that only has mounts."""


def schemes_of(app: App, context: ServiceContext) -> list[Scheme]:
    """Return the schemes of an application; an empty list without any.

    :raises ConfigError: if they are something else.
    """
    found: Any = app.authenticate  # checked below
    if isinstance(found, type) and hasattr(found, "challenge"):
        name = found.__name__
        raise ConfigError("authenticate", f"{name} is a class", f"write {name}(...), with its function")
    if callable(found):
        found = found(context)
    if found is None:
        return []
    schemes = list(found) if isinstance(found, list | tuple) else [found]
    for each in schemes:
        if not hasattr(each, "find_user"):
            remedy = "give it a scheme, as unixsvc.Bearer, or a list of schemes"
            raise ConfigError("authenticate", f"a {type(each).__name__} is no scheme", remedy)
    return schemes


def load_app(spec: str) -> App:
    """Import an application.

    :param spec: ``package.module:name``.
    :raises ConfigError: if it does not exist or is not an :class:`App`. Exceptions of the module itself are
        not caught, as their author needs the traceback.
    """
    app = load_object(spec)
    if not isinstance(app, App):
        raise ConfigError(
            spec, f"is not an App but a {type(app).__name__}", "name an object of the class App"
        )
    return app


def check_error_hook(app: App) -> None:
    """Check that the ``error_hook`` of an application is a plain function.

    :raises ConfigError: if it is not.
    """
    hook: object = app.error_hook
    if hook is not None and (not callable(hook) or inspect.iscoroutinefunction(hook)):
        remedy = "make it a plain def, which passes the error on to a queue or a thread"
        raise ConfigError("error_hook", "is async" if callable(hook) else "is not a function", remedy)


def load_object(spec: str) -> Any:
    """Import an object that a configuration names.

    :param spec: ``package.module:name``.
    :raises ConfigError: if it does not exist.
    """
    module_name, _, name = spec.partition(":")
    if not (module_name and name):
        raise ConfigError(repr(spec), "is not the name of an object", "write it as package.module:name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # If an existing module imports a missing one, the author of the module needs the traceback.
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        remedy = "put it in the directory of the configuration, or install it"
        raise ConfigError(spec, f"there is no module {error.name!r}", remedy) from None
    try:
        return getattr(module, name)
    except AttributeError:
        raise ConfigError(
            spec, f"{module_name} has no {name!r}", f"the module is {_origin(module)}"
        ) from None


def _origin(module: ModuleType) -> str:
    """Where a module is from."""
    if file := getattr(module, "__file__", None):
        return str(file)
    folder = next(iter(getattr(module, "__path__", ())), None)
    if folder is None:
        return "part of Python"
    # Python takes a folder that the user cannot read for a namespace package.
    return f"the folder {folder}, which has no __init__.py that this user can read"
