"""Guards: what a route requires of its user."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from unixsvc.authentication.user_function import OpenContainer, UserFunction
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError, Forbidden

__all__ = ["Guards", "Permissions", "Requirement"]

Requirement: TypeAlias = str | Callable[..., object]
"""A permission that the user must have, or a function of the application that decides."""

Permissions: TypeAlias = str | Callable[[Any], Collection[str]]
"""What permissions a user has: the name of an attribute of the user, or a function."""


class Guards:
    """The requirements of one route.

    :param requirements: all of them must be met. A function gets the user, and further arguments as the
        functions of schemes do. It refuses by returning False, or by raising an error of its own.
    :param permissions: as of the application.
    :param where: the route, for error messages.
    :raises ConfigError: for a requirement that can never be checked.
    """

    def __init__(self, requirements: Sequence[Requirement], permissions: Permissions, where: str) -> None:
        if isinstance(requirements, str):
            remedy = f"write a list: requires=[{requirements!r}]"
            raise ConfigError(where, "requires is a text", remedy)
        self.scopes = [each for each in requirements if isinstance(each, str)]
        place = f"{where}: requires"
        self._functions = [UserFunction(each, place) for each in requirements if not isinstance(each, str)]
        self._permissions = permissions

    def __bool__(self) -> bool:
        return bool(self.scopes or self._functions)

    @property
    def waits(self) -> bool:
        """Whether :meth:`check` may wait."""
        return any(function.waits for function in self._functions)

    async def check(self, user: object, request: Request, open_container: OpenContainer) -> None:
        """Check the user of a request.

        :raises Forbidden: if a requirement is not met.
        """
        if self.scopes:
            granted = self._granted(user)
            for scope in self.scopes:
                if scope not in granted:
                    raise Forbidden(f"the permission {scope!r} is missing")
        for function in self._functions:
            allowed = function(user, request, open_container)
            if inspect.isawaitable(allowed):
                allowed = await allowed
            if allowed is not None and not allowed:
                raise Forbidden

    def _granted(self, user: object) -> Collection[str]:
        permissions = self._permissions
        found = getattr(user, permissions) if isinstance(permissions, str) else permissions(user)
        # As the claim "scope" of OAuth 2.0, see RFC 8693, section 4.2.
        return found.split() if isinstance(found, str) else found
