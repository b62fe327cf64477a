"""Reads the files and credentials that a configuration refers to."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from unixsvc.errors import ConfigError

__all__ = ["read_reference"]

_MAX_BYTES: Final = 65_536


def read_reference(kind: str, place: str, folder: Path, environ: Mapping[str, str]) -> str:
    """The content of a file or a credential of systemd, without the line end after it.

    :param kind: ``file`` or ``credential``.
    :param place: the path, relative to the folder, or the name of the credential.
    :param environ: the environment variables. systemd sets ``CREDENTIALS_DIRECTORY``.
    :raises ConfigError: if it cannot be read.
    """
    if kind == "file":
        return _read(folder / place, "check the path")
    remedy = f"add LoadCredential={place}:PATH to the unit, and restart it"
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(place, "there are no credentials of systemd", remedy)
    if "/" in place or place in (".", ".."):
        raise ConfigError(place, "is not the name of a credential", "write ${file:PATH} for a file")
    return _read(Path(directory, place), remedy)


def _read(path: Path, remedy: str) -> str:
    try:
        # O_NONBLOCK: opening a named pipe would wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(str(path), f"{path} is not a regular file", remedy)
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(str(path), f"{path} cannot be read: {reason}", remedy) from None
    if len(content) > _MAX_BYTES:
        raise ConfigError(str(path), f"{path} is larger than {_MAX_BYTES} bytes", remedy)
    try:
        return content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(str(path), f"{path} is not valid UTF-8", remedy) from None
