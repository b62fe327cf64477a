"""Where services are, and what is shown to them, if nobody says."""

from __future__ import annotations

import os

from msgspec import Struct

from unixsvc.config import Settings, load_settings
from unixsvc.socket.security import read_token

__all__ = ["Place", "place_of", "token_for"]


class Place(Struct, frozen=True):
    """A socket directory, and the token of those who listen there; None where none is needed."""

    socket_dir: str
    token: str | None

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Place {self.socket_dir}>"


def place_of(socket_dir: str | None = None, token: str | None = None) -> Place:
    """Find it as an orchestrator would that was started in the current directory.

    :param socket_dir: if it is known.
    :param token: likewise.
    :raises ConfigError: if the configuration there is wrong, or the token cannot be read.
    """
    if socket_dir is not None and token is not None:
        return Place(socket_dir, token)
    settings = load_settings(socket_dir=socket_dir)
    return Place(settings.socket_dir, token_for(settings) if token is None else token)


def token_for(settings: Settings) -> str | None:
    """The token, where it is of use: under ``private``, public routes answer without.

    :raises ConfigError: if it is needed and cannot be read.
    """
    file, policy = settings.token_file, settings.security.token
    if policy == "off" or (policy == "private" and not os.path.lexists(file)):
        return None
    return read_token(file)
