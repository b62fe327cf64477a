"""The shared token: its file, and the authentication of requests."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from collections.abc import Sequence
from typing import Final

from zope.interface import implementer

from unixsvc.domain.interfaces import IGuard
from unixsvc.domain.message import Grant, Request
from unixsvc.errors import ConfigError, Unauthorized, WrongToken

__all__ = ["MAX_WRONG_TOKENS", "MISSING", "WRONG", "TokenGuard", "load_or_create_token", "read_token"]

MAX_WRONG_TOKENS: Final = 5
# The details of 401 by which a client recognizes that its token is the reason.
MISSING: Final = "auth_token is missing"
WRONG: Final = "auth_token is wrong"

_SHARED: Final = Grant("default")
_TOKEN_BYTES: Final = 32
_TOKEN = re.compile(rf"[0-9a-f]{{{2 * _TOKEN_BYTES}}}")


@implementer(IGuard)
class TokenGuard:
    """Authenticates requests by their token; a connection that has sent a valid one stays authenticated.

    :param policy: ``required``, ``private`` or ``off``, as in the configuration.
    :param tokens: the valid ones: the current token, and the previous one during a rotation.
    """

    def __init__(self, policy: str, tokens: Sequence[str]) -> None:
        self._off = policy == "off"
        self._required = policy == "required"
        self._tokens = [token.encode() for token in tokens]

    def admit(self, request: Request) -> None:
        """Authenticate a request. Under ``private``, a route that is not public refuses it later.

        :raises Unauthorized: if the token is wrong, or required and missing.
        """
        caller = request.caller
        if self._off:
            caller.trusted = caller.admitted = True
        elif request.auth_token is None:
            if self._required:
                raise Unauthorized(MISSING)
        elif self._is_valid(request.auth_token):
            caller.trusted = caller.admitted = True
            caller.grant = _SHARED
        else:
            caller.wrong_tokens += 1
            raise WrongToken(WRONG)

    def _is_valid(self, token: str) -> bool:
        encoded = token.encode("utf-8", "surrogatepass")
        # All valid tokens are compared, each in constant time: the total time reveals nothing.
        matches = 0
        for valid in self._tokens:
            matches += hmac.compare_digest(encoded, valid)
        return matches > 0


def load_or_create_token(path: str) -> str:
    """Read the token file; create it if there is none.

    The file appears whole or not at all, with mode 0600, also if several processes start at once.

    :raises ConfigError: if it cannot be created, or must not be trusted.
    """
    if not os.path.lexists(path):
        _create(path)
    return read_token(path)


def read_token(path: str) -> str:
    """Read the token file.

    :raises ConfigError: if there is none, if other users can read it, or if it is damaged.
    """
    try:
        # O_NONBLOCK: opening a named pipe would wait for its other end.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(path, flags), encoding="ascii") as file:
            state = os.fstat(file.fileno())
            text = file.read(1024).strip()
    except FileNotFoundError:
        raise ConfigError(
            path,
            "there is no token",
            "it is made when the orchestrator first starts; be in its directory, or name its configuration",
        ) from None
    except PermissionError:
        raise ConfigError(path, "the token may not be read", "run as the user of the orchestrator") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"the token cannot be read: {error}") from None
    if not stat.S_ISREG(state.st_mode):
        raise ConfigError(path, "is no regular file", "remove it; a new token is made at the next start")
    if state.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            path, f"belongs to another user (uid {state.st_uid})", "remove it, or use another file"
        )
    if state.st_mode & 0o077:
        mode = f"mode {stat.S_IMODE(state.st_mode):04o}"
        raise ConfigError(path, f"others can read or change the token ({mode})", f"run: chmod 600 {path}")
    if not _TOKEN.fullmatch(text):
        raise ConfigError(path, "holds no token", "remove it; a new one is made at the next start")
    return text


def _create(path: str) -> None:
    draft = f"{path}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_TOKEN_BYTES) + "\n")
            os.link(draft, path)  # unlike rename(), it keeps the token of a process that was faster
        except FileExistsError:
            pass
        finally:
            os.unlink(draft)
    except OSError as error:
        raise ConfigError(path, f"the token cannot be made: {error.strerror}") from None
