"""What schemes are, and what they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from unixsvc.authentication.credentials import Credentials
from unixsvc.authentication.user_function import UserFunction
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request

if TYPE_CHECKING:
    from unixsvc.limiting.table import RateTable

__all__ = ["Scheme"]


class Scheme(Protocol):
    """A way in which users authenticate.

    :ivar name: in the contract, and in the identity of its users.
    :ivar find_user: finds the user of valid credentials.
    """

    name: str
    find_user: UserFunction

    def start(self, folder: str) -> None:
        """Read the files of the scheme, before the first request.

        :param folder: the base of relative paths: the directory of the configuration.
        :raises unixsvc.errors.ConfigError: if a file cannot be read, or a package is missing.
        """

    def share(self, make_table: Callable[[], RateTable], now: Callable[[], float]) -> None:
        """Count what is limited over all workers of a service.

        :param make_table: makes the table that they share.
        :param now: a monotonic clock that they share, in seconds.
        """

    def read(self, request: Request) -> Credentials | None:
        """Return the verified credentials of a request; None if it has none of this scheme.

        :raises InvalidCredentials: if they are wrong.
        """

    def settle(self, request: Request, *, failed: bool) -> None:
        """Note the end of an attempt for which :meth:`read` has returned credentials.

        :param failed: whether there is no user for them.
        """

    def challenge(self, problem: str) -> str:
        """Return the value of ``WWW-Authenticate`` for a 401; empty if the scheme has none.

        :param problem: of the credentials; empty if there were none.
        """

    def describe(self) -> JsonObject | None:
        """Return the Security Scheme Object of OpenAPI; None for a scheme that is not for HTTP."""
