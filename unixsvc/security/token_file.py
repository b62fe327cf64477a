"""Where the shared token is kept: a file, a credential of systemd, or the environment."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from msgspec import Struct

from unixsvc.errors import ConfigError

__all__ = [
    "CREDENTIAL",
    "TOKEN_LOOKS",
    "TOKEN_VARIABLE",
    "SharedToken",
    "create_token",
    "external_token",
    "file_version",
    "is_published",
    "is_token",
    "load_or_create_token",
    "open_itself",
    "read_token",
    "write_private",
]

TOKEN_VARIABLE: Final = "UNIXSVC_TOKEN"
CREDENTIAL: Final = "unixsvc-token"
"""The name of the credential of systemd."""

TOKEN_LOOKS: Final = "a token is 64 hexadecimal digits (0-9, a-f), as 'openssl rand -hex 32' prints them"

_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"[0-9a-f]{{{2 * _TOKEN_BYTES}}}")


class SharedToken(Struct, frozen=True):
    """The shared token.

    :ivar origin: where it was found, for messages.
    :ivar file: the file that has it; empty if it is from the environment.
    """

    token: str
    origin: str
    file: str = ""

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<SharedToken {self.origin}>"


def is_token(text: str) -> bool:
    """True if a text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def create_token() -> str:
    """Make a token."""
    return secrets.token_hex(_TOKEN_BYTES)


def external_token(environ: Mapping[str, str]) -> SharedToken | None:
    """The token of the environment variable ``UNIXSVC_TOKEN``, or of the credential ``unixsvc-token``.

    :param environ: the environment variables. systemd sets ``CREDENTIALS_DIRECTORY``.
    :returns: None if there is neither.
    :raises ConfigError: if there is one, and it is no token.
    """
    token = environ.get(TOKEN_VARIABLE)
    if token is not None:
        if not is_token(token):
            raise ConfigError(f"the environment variable {TOKEN_VARIABLE}", "is not a token", TOKEN_LOOKS)
        return SharedToken(token, f"the environment variable {TOKEN_VARIABLE}")
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory and os.path.lexists(path := os.path.join(directory, CREDENTIAL)):
        return SharedToken(read_token(path), path, path)
    return None


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
        with open(path, encoding="ascii", opener=open_itself) as file:
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
        raise ConfigError(path, f"the token cannot be read: {error}", TOKEN_LOOKS) from None
    _check_access(path, state)
    if not is_token(text):
        raise ConfigError(path, "holds no token", f"{TOKEN_LOOKS}; or remove it, and restart")
    return text


def open_itself(path: str, flags: int) -> int:
    """Open a file for reading, as the opener of :func:`open`; fail if it is a symbolic link."""
    # O_NONBLOCK: opening a named pipe would wait for its other end.
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def file_version(path: str) -> tuple[int, ...] | None:
    """A value that changes with the file; None if there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def is_published(path: str) -> bool:
    """True if the file is read-only, and other users may read it: it is managed from outside."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return bool(mode & 0o044) and not mode & 0o222


def write_private(path: str, text: str) -> None:
    """Replace a file by one with mode 0600; readers see the old one or the new one.

    :raises OSError: if it cannot be written.
    """
    draft = f"{path}.{secrets.token_hex(8)}"
    try:
        _write_draft(draft, text)
        os.rename(draft, path)
    except BaseException:
        _remove(draft)
        raise


def _check_access(path: str, state: os.stat_result) -> None:
    """Check that only trusted users can read and change the token."""
    if not stat.S_ISREG(state.st_mode):
        raise ConfigError(path, "is not a regular file", "remove it; a new token is made at the next start")
    if state.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            path, f"belongs to another user (uid {state.st_uid})", "run as that user, or name another file"
        )
    # What root has made read-only for everybody is meant to be read: secrets of containers and systemd.
    published = state.st_uid == 0 and not state.st_mode & 0o222
    if state.st_mode & 0o077 and not published:
        mode = f"mode {stat.S_IMODE(state.st_mode):04o}"
        raise ConfigError(path, f"others can read or change the token ({mode})", f"run: chmod 600 {path}")


def _create(path: str) -> None:
    draft = f"{path}.{secrets.token_hex(8)}"
    try:
        try:
            _write_draft(draft, create_token() + "\n")
            os.link(draft, path)  # unlike rename(), it keeps the token of a process that was faster
        except FileExistsError:
            pass
        finally:
            _remove(draft)
    except OSError as error:
        raise ConfigError(
            path, f"the token cannot be made: {error.strerror}", "choose another token_file"
        ) from None


def _write_draft(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
