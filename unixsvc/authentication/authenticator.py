"""Finds the user of a request with the schemes of an application."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from unixsvc.authentication.credentials import Credentials, InvalidCredentials, digest_subject
from unixsvc.authentication.interfaces import Scheme
from unixsvc.authentication.user_function import OpenContainer
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError, ServiceError, Unauthorized, WrongToken

__all__ = ["Authenticator", "Identity", "Refusal"]

_NO_CREDENTIALS = "this route needs a user, and the request has no credentials"


class Identity(Struct, frozen=True):
    """Who has sent a request.

    :ivar user: as the application has returned it.
    :ivar name: identifies the user: ``user:SCHEME:SUBJECT``.
    """

    user: object
    name: str


class Refusal(Struct, frozen=True):
    """Why there is no user for a request.

    :ivar problems: of its credentials, by scheme; empty if it has none.
    :ivar is_guess: whether one of them may be an attempt to guess.
    :ivar error: the error instead of 401; None for that.
    """

    problems: dict[str, str] = {}
    is_guess: bool = False
    error: ServiceError | None = None

    def with_problem(self, scheme: Scheme, problem: InvalidCredentials) -> Refusal:
        """Return the same with a further problem."""
        return Refusal(
            self.problems | {scheme.name: problem.problem},
            self.is_guess or problem.is_guess,
            self.error or problem.error,
        )


class Authenticator:
    """The schemes of an application, in the order in which they are asked.

    :param open_container: opens a container for one request.
    :param acting_user: returns the user of all requests, in tests; None to ask the schemes.
    :raises ConfigError: if two schemes have the same name.
    """

    def __init__(
        self,
        schemes: Sequence[Scheme],
        open_container: OpenContainer,
        acting_user: Callable[[], object] | None = None,
    ) -> None:
        names = [scheme.name for scheme in schemes]
        for name in names:
            if names.count(name) > 1:
                problem = f"two schemes have the name {name!r}"
                raise ConfigError("authenticate", problem, "give one of them another name=")
        self._schemes = tuple(schemes)
        self._open_container = open_container
        self._acting_user = acting_user

    @property
    def waits(self) -> bool:
        """Whether :meth:`identify` may wait."""
        return any(scheme.find_user.waits for scheme in self._schemes)

    @property
    def user_types(self) -> tuple[type, ...]:
        """The classes of the users; empty if a scheme does not declare them."""
        found = [scheme.find_user.types for scheme in self._schemes]
        return tuple(each for types in found for each in types) if all(found) else ()

    @property
    def descriptions(self) -> JsonObject:
        """The Security Scheme Objects of OpenAPI by name."""
        found = {scheme.name: scheme.describe() for scheme in self._schemes}
        return {name: description for name, description in found.items() if description is not None}

    async def identify(self, request: Request) -> Identity | Refusal:
        """Return the user of a request: that of the first scheme whose credentials are valid."""
        if self._acting_user is not None and (acting := self._acting_user()) is not None:
            return Identity(acting, f"user:test:{digest_subject(repr(acting))}")
        refusal = Refusal()
        for scheme in self._schemes:
            try:
                credentials = scheme.read(request)
                if credentials is None:
                    continue
                user = await self._find(scheme, credentials, request)
            except InvalidCredentials as problem:
                refusal = refusal.with_problem(scheme, problem)
                continue
            return Identity(user, f"user:{scheme.name}:{credentials.subject}")
        return refusal

    def error(self, refusal: Refusal, *, token_suffices: bool) -> ServiceError:
        """Return the error of a request that needs a user.

        :param token_suffices: whether a token of the service would do as well.
        """
        if refusal.error is not None:
            return refusal.error
        problem = "; ".join(refusal.problems.values())
        error = (WrongToken if refusal.is_guess else Unauthorized)(problem or _NO_CREDENTIALS)
        challenges = [scheme.challenge(refusal.problems.get(scheme.name, "")) for scheme in self._schemes]
        known = [each for each in challenges if each]
        if token_suffices and not any(each.startswith("Bearer") for each in known):
            known.append("Bearer")
        error.headers = tuple(("WWW-Authenticate", each) for each in dict.fromkeys(known))
        return error

    async def _find(self, scheme: Scheme, credentials: Credentials, request: Request) -> Any:
        """Return the user; the application decides about the type."""
        try:
            user = scheme.find_user(credentials.value, request, self._open_container)
            if inspect.isawaitable(user):
                user = await user
        except Exception:  # of the application: not a failure of the client
            scheme.settle(request, failed=False)
            raise
        scheme.settle(request, failed=user is None)
        if user is None:
            raise InvalidCredentials("the credentials are those of no user")
        return user
