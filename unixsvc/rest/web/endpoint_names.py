"""The endpoint names of a service's routes, by which ``url_for`` builds their URLs. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from unixsvc.routing.builtin_routes import PREFIX
from unixsvc.routing.route import Group, Route

__all__ = ["MOUNT", "EndpointName", "NamedRoute", "named_routes"]

_BUILTIN: Final = ("ping", "health", "routes", "stats")
MOUNT: Final = "mount:"
"""How the endpoint names of mounts begin; the prefix of the mount follows."""


class EndpointName(str):
    """The name of a route of the table, or of a mount; a route of Klein with the same name is another one."""

    __slots__ = ()


class NamedRoute(Struct, frozen=True):
    """A route, or a mount, as ``url_for`` knows it.

    :ivar pattern: as of :class:`~unixsvc.routing.route.Route`; of a mount, its prefix.
    :ivar method: None for a mount, which has all methods.
    """

    name: EndpointName
    pattern: str
    method: str | None = None


def named_routes(
    routes: Sequence[Group | Route], mounts: Iterable[str], taken: Container[str] = ()
) -> Iterator[NamedRoute]:
    """The routes of a service, the built-in ones and its mounts, with their names.

    :param mounts: the prefixes of the mounts.
    :param taken: names of other routes; an action with such a name has its module in front of it.
    """
    for prefix in mounts:
        yield NamedRoute(EndpointName(MOUNT + prefix), prefix)
    owners: dict[str, object] = {}
    for entry in routes:
        group = entry if isinstance(entry, Group) else Group("", None, [entry])
        for route in group.routes:
            yield _named(group, route, owners, taken)
    for name in _BUILTIN:
        yield NamedRoute(EndpointName(f"unixsvc.{name}"), f"{PREFIX}/{name}", "GET")


def _named(group: Group, route: Route, owners: dict[str, object], taken: Container[str]) -> NamedRoute:
    path = (group.prefix + route.pattern) or "/"
    name = route.name or _default_name(group, route, path)
    if not route.name:
        owner = (group.controller, route.action)
        if name in taken or owners.setdefault(name, owner) != owner:
            name = f"{(group.controller or route.action).__module__}.{name}"
    return NamedRoute(EndpointName(name), path, route.method)


def _default_name(group: Group, route: Route, path: str) -> str:
    """``Controller.method``, or the name of a function; one without a name is called by its route."""
    name = getattr(route.action, "__name__", "")
    if not name.isidentifier():
        return f"{route.method} {path}"
    return f"{group.controller.__name__}.{name}" if group.controller else name
