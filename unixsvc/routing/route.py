"""How an application writes its routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from unixsvc.errors import ServiceError

__all__ = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "Group", "Route"]

Action = Callable[..., Any]


class Route(Struct, frozen=True):
    """One path and method, and the action that answers it.

    :ivar method: upper-cased.
    :ivar pattern: the path below the group's prefix; ``{name}`` or ``{name:kind}`` is a variable, with
        the kinds of :data:`unixsvc.routing.table.PATH_TYPES`.
    :ivar action: a method of the group's controller, or a function where there is no controller.
    :ivar public: whether it answers without a token, under the policy ``private``.
    :ivar blocking: whether the action, a plain ``def``, is called in a thread.
    :ivar meta: the user's own; the action reads it as ``request.route_meta``.
    :ivar shield: whether the action goes on when its caller cancels it or goes away.
    :ivar errors: what the action raises that callers may expect: it is said in the contract, and nobody
        looks whether it is so.
    :ivar tags: for people who read the contract: under which headings it stands.
    :ivar deprecated: whether callers had better use something else.
    """

    method: str
    pattern: str
    action: Action
    public: bool = False
    title: str = ""
    description: str = ""
    blocking: bool = False
    meta: dict[str, Any] = {}
    shield: bool = False
    errors: Sequence[type[ServiceError]] = ()
    tags: Sequence[str] = ()
    deprecated: bool = False


class Group(Struct, frozen=True):
    """Routes with a common prefix and a common controller.

    :ivar controller: made once for each worker, its arguments from the container; None if the actions
        are functions.
    """

    prefix: str
    controller: type | None
    routes: Sequence[Route]


def _verb(method: str) -> Callable[..., Route]:
    def route(
        pattern: str,
        action: Action,
        *,
        public: bool = False,
        title: str = "",
        description: str = "",
        blocking: bool = False,
        meta: dict[str, Any] | None = None,
        shield: bool = False,
        errors: Sequence[type[ServiceError]] = (),
        tags: Sequence[str] = (),
        deprecated: bool = False,
    ) -> Route:
        return Route(
            method, pattern, action, public, title, description, blocking, meta or {}, shield,
            tuple(errors), tuple(tags), deprecated,
        )  # fmt: skip

    route.__name__ = route.__qualname__ = method
    route.__doc__ = f"A route for the method {method}; the arguments are those of :class:`Route`."
    return route


GET = _verb("GET")
HEAD = _verb("HEAD")
POST = _verb("POST")
PUT = _verb("PUT")
PATCH = _verb("PATCH")
DELETE = _verb("DELETE")
OPTIONS = _verb("OPTIONS")
