"""What the orchestrator remembers about tokens: previous shared ones, and revocations. Digests only."""

from __future__ import annotations

import os
import stat

import msgspec
from msgspec import Struct

from unixsvc.errors import ConfigError
from unixsvc.security.token_file import open_itself, write_private

__all__ = ["PreviousToken", "RevokedToken", "TokenState", "load_state", "save_state", "state_path"]

_MAX_BYTES = 1_048_576


class PreviousToken(Struct, frozen=True):
    """A shared token that was replaced, and is still valid.

    :ivar until: the end of its validity, in seconds since 1970.
    """

    sha256: str
    until: float


class RevokedToken(Struct, frozen=True):
    """A token that was revoked. It stays so, also if the configuration still has it."""

    name: str
    sha256: str


class TokenState(Struct, frozen=True):
    """The content of the file."""

    previous: tuple[PreviousToken, ...] = ()
    revoked: tuple[RevokedToken, ...] = ()

    def without_expired(self, now: float) -> TokenState:
        """The state without the previous tokens whose time is over."""
        previous = tuple(token for token in self.previous if token.until > now)
        return msgspec.structs.replace(self, previous=previous)


def state_path(token_file: str) -> str:
    """The file with the state: beside the token file."""
    return f"{token_file}.state"


def load_state(path: str) -> TokenState:
    """Read the file.

    :returns: the empty state if there is no file.
    :raises ConfigError: if it is damaged, or others could have changed it: revocations must not get lost.
    """
    remedy = "repair it; or remove it, and revoked tokens are valid again"
    try:
        with open(path, "rb", opener=open_itself) as file:
            status = os.fstat(file.fileno())
            content = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return TokenState()
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}", remedy) from None
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o022:
        raise ConfigError(path, "is not a file that only its owner can write", remedy)
    try:
        return msgspec.json.decode(content, type=TokenState)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(path, f"is damaged: {error}", remedy) from None


def save_state(path: str, state: TokenState) -> None:
    """Write the file; it is replaced as a whole.

    :raises OSError: if it cannot be written.
    """
    write_private(path, msgspec.json.format(msgspec.json.encode(state)).decode() + "\n")
