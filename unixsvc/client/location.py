"""Where services are, and what is shown to them, if nobody says."""

from __future__ import annotations

import os

from msgspec import Struct

from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Settings
from unixsvc.errors import ServiceError, Unauthorized, error_from
from unixsvc.security.tokens import MISSING, WRONG, read_token

__all__ = ["Credentials", "ServiceLocation", "find_location", "token_for"]


class Credentials(Struct, frozen=True):
    """What is shown to a service.

    :ivar token: None to show none.
    :ivar origin: where that was found, in words for whom it is of no use to; empty if it was simply said.
    """

    token: str | None
    origin: str = ""

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Shown {self.origin}>"

    def told(self, error: ServiceError) -> ServiceError:
        """An error that a service has answered, as the caller is told it.

        Where the service has refused what was shown, and not what was asked, it says where that was found.
        """
        refusals = (MISSING, None) if self.token is None else (WRONG,)
        if not (self.origin and isinstance(error, Unauthorized) and error.detail in refusals):
            return error
        return error_from(error.code, f"{error.detail or MISSING}; {self.origin}", error.message)


class ServiceLocation(Struct, frozen=True):
    """A socket directory, and what is shown to those who listen there."""

    socket_dir: str
    shown: Credentials

    @property
    def token(self) -> str | None:
        """The token; None where none is needed."""
        return self.shown.token

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Place {self.socket_dir}>"


def find_location(socket_dir: str | None = None, token: str | None = None) -> ServiceLocation:
    """Find it as an orchestrator would that was started in the current directory.

    :param socket_dir: if it is known.
    :param token: likewise.
    :raises ConfigError: if the configuration there is wrong, or the token cannot be read.
    """
    if socket_dir is not None and token is not None:
        return ServiceLocation(socket_dir, Credentials(token))
    settings = load_settings(socket_dir=socket_dir)
    return ServiceLocation(settings.socket_dir, token_for(settings) if token is None else Credentials(token))


def token_for(settings: Settings) -> Credentials:
    """The token, where it is of use: under ``private``, public routes answer without.

    :raises ConfigError: if it is needed and cannot be read.
    """
    file, policy = settings.token_file, settings.security.token
    if policy == "off":
        return Credentials(None, f"none was shown, as {settings.source} says that none is needed")
    if policy == "private" and not os.path.lexists(file):
        return Credentials(
            None, f"none was shown, as there is no {file}; use the orchestrator's own configuration"
        )
    return Credentials(read_token(file), f"the token was read from {file}")
