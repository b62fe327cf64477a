"""Where a client finds the socket directory and the token: in the configuration, unless they are given."""

from __future__ import annotations

import os

from msgspec import Struct

from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Settings
from unixsvc.errors import ServiceError, Unauthorized, error_from
from unixsvc.security.tokens import MISSING, WRONG, read_token

__all__ = ["Credentials", "ServiceLocation", "find_location", "token_for"]


class Credentials(Struct, frozen=True):
    """The token that a client sends.

    :ivar token: None to send none.
    :ivar origin: where the token was found, for error messages; empty if the program gave it.
    """

    token: str | None
    origin: str = ""

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Credentials {self.origin}>"

    def annotate(self, error: ServiceError) -> ServiceError:
        """Add the origin of the token to an error, if the service has rejected the token."""
        rejections = (MISSING, None) if self.token is None else (WRONG,)
        if not (self.origin and isinstance(error, Unauthorized) and error.detail in rejections):
            return error
        return error_from(error.code, f"{error.detail or MISSING}; {self.origin}", error.message)


class ServiceLocation(Struct, frozen=True):
    """A socket directory, and the credentials for the services there."""

    socket_dir: str
    credentials: Credentials

    @property
    def token(self) -> str | None:
        """The token; None if none is needed."""
        return self.credentials.token

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<ServiceLocation {self.socket_dir}>"


def find_location(socket_dir: str | None = None, token: str | None = None) -> ServiceLocation:
    """Find services as an orchestrator would that was started in the current directory.

    :param socket_dir: the socket directory, if it is known.
    :param token: the token, if it is known.
    :raises ConfigError: if the configuration is wrong, or the token cannot be read.
    """
    if socket_dir is not None and token is not None:
        return ServiceLocation(socket_dir, Credentials(token))
    settings = load_settings(socket_dir=socket_dir)
    return ServiceLocation(settings.socket_dir, token_for(settings) if token is None else Credentials(token))


def token_for(settings: Settings) -> Credentials:
    """The token of a configuration. It may be missing under ``private``, as public routes need none.

    :raises ConfigError: if a token is required and cannot be read.
    """
    file, policy = settings.token_file, settings.security.token
    if policy == "off":
        return Credentials(None, f"none was sent, as none is required by {settings.source}")
    if policy == "private" and not os.path.lexists(file):
        return Credentials(
            None, f"none was sent, as {file} does not exist; use the configuration of the orchestrator"
        )
    return Credentials(read_token(file), f"the token was read from {file}")
