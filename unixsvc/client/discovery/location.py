"""Where a client finds the socket directory and the token: in the configuration, unless they are given."""

from __future__ import annotations

import os
from contextlib import suppress

from msgspec import Struct

from unixsvc.config.loader import Files, load_client_settings
from unixsvc.config.settings import ClientSettings
from unixsvc.domain.refusal import MISSING, WRONG
from unixsvc.errors import ConfigError, ServiceError, Unauthorized, error_from
from unixsvc.security.token_file import external_token, file_version, read_token

__all__ = ["Credentials", "ServiceLocation", "find_location", "token_for"]


class Credentials(Struct, frozen=True):
    """The token that a client sends.

    :ivar token: None to send none.
    :ivar origin: where the token was found, for error messages; empty if the program gave it.
    :ivar file: the file with the token; empty if it is from elsewhere.
    :ivar version: of the file, as :func:`file_version` returns it.
    :ivar relayed: whether the connection leads to another host, which is not known.
    """

    token: str | None
    origin: str = ""
    file: str = ""
    version: tuple[int, ...] | None = None
    relayed: bool = False

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Credentials {self.origin}>"

    def refreshed(self) -> Credentials:
        """These credentials, or those that the file has now.

        A file that is not valid at the moment changes nothing: the earlier token may still be.
        """
        if self.file and file_version(self.file) != self.version:
            with suppress(ConfigError):
                return _from_file(self.file)
        return self

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


def find_location(
    socket_dir: str | None = None,
    token: str | None = None,
    *,
    config: Files = None,
    token_file: str | None = None,
) -> ServiceLocation:
    """Find services as an orchestrator would that was started in the current directory.

    :param socket_dir: the socket directory, if it is known.
    :param token: the token, if it is known.
    :param config: the files of the configuration, if they are known; variables for keys do not override them.
    :param token_file: the file with the token, if it is known.
    :raises ConfigError: if the configuration is wrong, or the token cannot be read.
    """
    if token is not None:
        credentials: Credentials | None = Credentials(token)
    elif token_file is not None:
        credentials = _from_file(os.path.abspath(token_file))
    else:
        credentials = external_credentials()
    if socket_dir is not None and credentials is not None:
        return ServiceLocation(socket_dir, credentials)
    settings = load_client_settings(config, socket_dir=socket_dir, variables=config is None)
    return ServiceLocation(settings.socket_dir, credentials or token_for(settings))


def external_credentials() -> Credentials | None:
    """The token of the environment, or of a credential of systemd; None if there is neither.

    :raises ConfigError: if there is one, and it is no token.
    """
    shared = external_token(os.environ)
    if shared is None:
        return None
    version = file_version(shared.file) if shared.file else None
    return Credentials(shared.token, f"the token was read from {shared.origin}", shared.file, version)


def token_for(settings: ClientSettings) -> Credentials:
    """The token file of a configuration. It may be missing under ``private``, as public routes need none.

    :raises ConfigError: if a token is required and cannot be read.
    """
    file, policy = settings.token_file, settings.security.token
    if policy == "off":
        return Credentials(None, f"none was sent, as none is required by {settings.source}")
    if policy == "private" and not os.path.lexists(file):
        return Credentials(
            None, f"none was sent, as {file} does not exist; use the configuration of the orchestrator"
        )
    return _from_file(file)


def _from_file(path: str) -> Credentials:
    version = file_version(path)  # before the content: a change in between is noticed later
    return Credentials(read_token(path), f"the token was read from {path}", path, version)
