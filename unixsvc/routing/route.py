"""Routes as an application declares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.authentication.guards import Requirement
from unixsvc.domain.json import JsonObject
from unixsvc.errors import ConfigError, ServiceError
from unixsvc.limiting.rate_limit import RateLimit
from unixsvc.routing.definition import (
    require_class,
    require_day,
    require_function,
    require_items,
    require_list,
    require_text,
)

__all__ = [
    "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "WEBSOCKET", "Action", "Group", "Route",
]  # fmt: skip

# The parameters and the result depend on the route; read_signature() checks them at start.
Action: TypeAlias = Callable[..., Any]


class Route(Struct, frozen=True):
    """A method and a path, and the action that serves them.

    :ivar method: in upper case.
    :ivar pattern: the path below the prefix of the group; ``{name}`` or ``{name:type}`` is a variable, with a
        type of ``unixsvc.routing.pattern.PATH_TYPES``.
    :ivar action: a method of the group's controller, or a function if there is no controller.
    :ivar public: true if the route needs no token under the policy ``private``.
    :ivar title: a short description for the contract.
    :ivar description: a description for the contract, instead of the docstring of the action.
    :ivar blocking: true to call the action, a plain ``def``, in a thread.
    :ivar meta: data for the application's own use; the action reads it as ``request.route_meta``.
    :ivar shield: true if the action keeps running when its caller cancels or disconnects.
    :ivar errors: the errors that callers must expect, for the contract; the framework does not enforce it.
    :ivar tags: the headings of the route in API documentation.
    :ivar deprecated: true if callers should use another route; or the day since when, which HTTP responses
        have as the ``Deprecation`` header (RFC 9745).
    :ivar sunset: when the route will be removed; HTTP responses have it as the ``Sunset`` header (RFC 8594).
        A day begins at midnight, UTC.
    :ivar allow_nan_as_null: true if floats of the result may be infinite or NaN, and are null then. Otherwise
        such a result is a 500.
    :ivar name: the endpoint name of the route, for ``url_for``; if empty, it is ``Controller.action``, or the
        name of a function.
    :ivar requires: what the user must have or be: permissions, and functions that get the user and refuse it
        by returning False or by raising an error. The route needs a user then.
    :ivar media_types: those of the response, if it is no JSON: of ``bytes``, or of a ``str`` that is sent as
        it is. The first one is used where the result names none.
    :ivar rate_limit: one or several limits of requests; :class:`Group` has one for all of its routes.
    :ivar heartbeat: of a stream that is sent as server-sent events: after so many seconds without an event a
        comment is sent; 0 for 15 seconds.
    :ivar max_body: the most bytes of a body, instead of ``max_message_bytes``; None for that.
    """

    method: str
    pattern: str
    action: Action
    public: bool = False
    title: str = ""
    description: str = ""
    blocking: bool = False
    meta: JsonObject = {}
    shield: bool = False
    errors: Sequence[type[ServiceError]] = ()
    tags: Sequence[str] = ()
    deprecated: bool | date = False
    allow_nan_as_null: bool = False
    name: str = ""
    max_body: int | None = None
    requires: Sequence[Requirement] = ()
    sunset: date | None = None
    media_types: tuple[str, ...] = ()
    rate_limit: Sequence[RateLimit] = ()
    heartbeat: float = 0.0


class Group(Struct, frozen=True):
    """Routes with a common prefix and a common controller.

    :ivar controller: the class whose methods are the actions, instantiated once for each worker with
        arguments from the container; None if the actions are functions.
    :ivar requires: as of :class:`Route`, for all of the routes.
    :ivar tags: of those routes that have none.
    :ivar deprecated: as of :class:`Route`, for all routes of the group.
    :ivar sunset: as of :class:`Route`, for those routes that have none.
    :ivar rate_limit: one or several limits that the routes share.
    """

    prefix: str
    controller: type | None
    routes: Sequence[Route]
    requires: Sequence[Requirement] = ()
    tags: Sequence[str] = ()
    deprecated: bool | date = False
    sunset: date | None = None
    rate_limit: RateLimit | Sequence[RateLimit] = ()

    def __post_init__(self) -> None:
        where = f"Group({self.prefix!r})"
        require_text(self.prefix, where, "prefix")
        require_class(self.controller, where, "the controller")
        require_list(self.routes, where, "routes", "Group(prefix, controller, [...])")
        require_items(self.routes, Route, where, "routes", "write a route, as GET(path, action)")
        require_list(self.tags, where, "tags", "tags=[...]")
        require_day(self.deprecated, where, "deprecated")
        require_day(self.sunset, where, "sunset")
        _require_limits(self.rate_limit, where)

    def completed(self, route: Route) -> Route:
        """Return a route of the group with what it has from the group."""
        return replace(
            route,
            tags=route.tags or self.tags,
            deprecated=route.deprecated or self.deprecated,
            sunset=route.sunset or self.sunset,
            requires=self._requirements(route),
            rate_limit=(*self._shared_limits(), *route.rate_limit),
        )

    def _shared_limits(self) -> list[RateLimit]:
        return [
            replace(limit, scope=limit.scope or f"group {self.prefix}")
            for limit in as_limits(self.rate_limit)
        ]

    def _requirements(self, route: Route) -> Sequence[Requirement]:
        for each in (self, route):
            if isinstance(each.requires, str):  # a mistake, which is reported with the path of the route
                return each.requires
        return (*self.requires, *route.requires)


def as_limits(limits: RateLimit | Sequence[RateLimit]) -> tuple[RateLimit, ...]:
    """One or several limits as a tuple."""
    return (limits,) if isinstance(limits, RateLimit) else tuple(limits)


def _require_limits(limits: RateLimit | Sequence[RateLimit], where: str) -> None:
    """Require one or several limits.

    :param where: the route or the group, for the error message.
    :raises ConfigError: if they are something else.
    """
    if isinstance(limits, RateLimit):
        return
    if isinstance(limits, str):
        raise ConfigError(where, "rate_limit is a text", f"write rate_limit=RateLimit({limits!r})")
    example = 'rate_limit=RateLimit("5/minute")'
    require_list(limits, where, "rate_limit", example)
    require_items(as_limits(limits), RateLimit, where, "rate_limit", f"write {example}")


class _Method(Struct, frozen=True):
    """Creates the routes of one HTTP method; the arguments are those of :class:`Route`."""

    method: str

    def __call__(
        self,
        pattern: str,
        action: Action,
        *,
        public: bool = False,
        title: str = "",
        description: str = "",
        blocking: bool = False,
        meta: Mapping[Any, object] | None = None,
        shield: bool = False,
        errors: Sequence[type[ServiceError]] = (),
        tags: Sequence[str] = (),
        deprecated: bool | date = False,
        allow_nan_as_null: bool = False,
        name: str = "",
        max_body: int | None = None,
        requires: Sequence[Requirement] = (),
        sunset: date | None = None,
        media_types: Sequence[str] = (),
        rate_limit: RateLimit | Sequence[RateLimit] = (),
        heartbeat: float = 0.0,
    ) -> Route:
        where = f"{self.method} {pattern}"
        require_function(action, where, "the action")
        for argument, values in (("errors", errors), ("tags", tags), ("media_types", media_types)):
            require_list(values, where, argument, f"{argument}=[...]")
        require_day(deprecated, where, "deprecated")
        require_day(sunset, where, "sunset")
        _require_limits(rate_limit, where)
        if max_body is not None and type(max_body) is not int:
            raise ConfigError(where, "max_body is not a number of bytes", "write max_body=50_000_000")
        return Route(
            self.method, pattern, action, public, title, description, blocking, dict(meta or {}), shield,
            tuple(errors), tuple(tags), deprecated, allow_nan_as_null, name, max_body,
            requires, sunset, tuple(media_types), as_limits(rate_limit), heartbeat,
        )  # fmt: skip


GET = _Method("GET")
HEAD = _Method("HEAD")
POST = _Method("POST")
PUT = _Method("PUT")
PATCH = _Method("PATCH")
DELETE = _Method("DELETE")
OPTIONS = _Method("OPTIONS")
WEBSOCKET = _Method("WEBSOCKET")
