"""The scheme Basic: a user name and a password in every request."""

from __future__ import annotations

import binascii
import math
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from unixsvc.authentication.credentials import Credentials, InvalidCredentials, printable_subject
from unixsvc.authentication.schemes.base import SchemeBase, quoted
from unixsvc.authentication.schemes.failure_limit import FailureLimit, client_of
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.errors import RateLimited

if TYPE_CHECKING:
    from unixsvc.limiting.table import RateTable

__all__ = ["Basic", "Password"]

_MAX_LENGTH = 1024


class Password(Struct, frozen=True):
    """What a client has sent.

    :ivar username: of the user; it may be empty.
    """

    username: str
    password: str

    def __repr__(self) -> str:
        # The generated one would show the password, and a repr ends up in logs.
        return f"<Password of {self.username!r}>"


class Basic(SchemeBase):
    """User names and passwords, as RFC 7617 has them. Use it over TLS only.

    :param find_user: gets a :class:`~unixsvc.Password`; returns the user, or None. Compare with
        :func:`~unixsvc.verify_password`, which takes as long for a user who does not exist.
    :param realm: what the password is for, which browsers show.
    :param max_failures: a client that has failed so often within ``interval`` gets 429; 0 for no limit. The
        workers of a service count together. From then on it may fail every ``interval / max_failures``.
    :param interval: in seconds.
    :param name: of the scheme.
    :param description: for API documentation.
    """

    def __init__(
        self,
        find_user: Callable[..., object],
        *,
        realm: str = "unixsvc",
        max_failures: int = 10,
        interval: float = 60.0,
        name: str = "basic",
        description: str = "",
    ) -> None:
        super().__init__(find_user, name, description)
        self._realm = realm
        self._failures = FailureLimit(name, max_failures, interval)

    def share(self, make_table: Callable[[], RateTable], now: Callable[[], float]) -> None:
        """Count failures over all workers."""
        self._failures.share(make_table, now)

    def read(self, request: Request) -> Credentials | None:
        """Return the user name and the password."""
        kind, _, encoded = (request.header("authorization") or "").partition(" ")
        if kind.lower() != "basic":
            return None
        wait = self._failures.attempt(client_of(request))
        if wait > 0:
            error = RateLimited(math.ceil(wait))
            raise InvalidCredentials("too many passwords were wrong", is_guess=False, error=error)
        if len(encoded) > _MAX_LENGTH:
            raise InvalidCredentials("the password is too long")
        try:
            text = b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise InvalidCredentials("the user name and the password are not encoded correctly") from None
        username, separator, password = text.partition(":")
        if not separator:
            raise InvalidCredentials("the user name and the password are not encoded correctly")
        return Credentials(Password(username, password), printable_subject(username))

    def settle(self, request: Request, *, failed: bool) -> None:
        """Count a failure, unless the password is right."""
        if not failed:
            self._failures.succeed(client_of(request))

    def challenge(self, problem: str) -> str:
        """Return the challenge, with which browsers ask for a password."""
        return f'Basic realm={quoted(self._realm)}, charset="UTF-8"'

    def describe(self) -> JsonObject:
        """Return the HTTP authentication scheme."""
        description = {"description": self.description} if self.description else {}
        return {"type": "http", "scheme": "basic"} | description
