"""What all schemes have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from unixsvc.authentication.interfaces import Scheme
from unixsvc.authentication.user_function import UserFunction
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError

if TYPE_CHECKING:
    from unixsvc.limiting.table import RateTable

__all__ = ["SchemeBase", "quoted"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# The name of the service's own token in the contract.
_TAKEN: Final = "bearer"


class SchemeBase(Scheme):
    """A scheme, without its credentials.

    :param find_user: the function of the application.
    :param name: of the scheme, unique in an application.
    :param description: for API documentation.
    :raises ConfigError: for a name or a function that cannot work.
    """

    def __init__(self, find_user: Callable[..., object], name: str, description: str) -> None:
        self._where = f"authenticate: the scheme {name!r}"
        if not _NAME.fullmatch(name) or name == _TAKEN:
            remedy = f"use letters, digits, '-' and '_', and not {_TAKEN!r}"
            raise ConfigError(self._where, "its name is not valid", remedy)
        self.name = name
        self.description = description
        self.find_user = UserFunction(find_user, self._where)

    def __repr__(self) -> str:
        # The default one of a subclass could show a key.
        return f"<{type(self).__name__} {self.name}>"

    def start(self, folder: str) -> None:
        """Do nothing: the scheme has no files."""

    def share(self, make_table: Callable[[], RateTable], now: Callable[[], float]) -> None:
        """Do nothing: the scheme counts nothing."""

    def settle(self, request: Request, *, failed: bool) -> None:
        """Do nothing: the scheme has no limit for failures of its own."""

    def challenge(self, problem: str) -> str:
        """Return no challenge."""
        return ""


def quoted(text: str) -> str:
    """Return a text as a quoted string of a header field."""
    plain = "".join(each if " " <= each <= "~" else "?" for each in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
