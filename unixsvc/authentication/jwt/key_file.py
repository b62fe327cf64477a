"""A file with keys that is read again when it changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from unixsvc.errors import ConfigError
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["KeyFile"]

_KeysT = TypeVar("_KeysT")
_log: Final = LimitedLogger(__name__)
# The time between two looks at the file, in seconds: a look costs a system call.
_INTERVAL: Final = 1.0


class KeyFile(Generic[_KeysT]):
    """The keys of a file. If a changed file cannot be used, the keys stay as they were, and the log says so.

    :param path: of the file, relative to the folder of :meth:`start`.
    :param parse: makes the keys of the content; raises ValueError.
    :param where: for error messages.
    :param now: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        path: str,
        parse: Callable[[bytes], _KeysT],
        where: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._parse = parse
        self._where = where
        self._now = now
        self._version: tuple[int, ...] = ()
        self._next_look = 0.0
        self._keys: _KeysT | None = None

    def start(self, folder: str) -> None:
        """Read the file.

        :raises ConfigError: if it cannot be used.
        """
        self._path = os.path.join(folder, self._path)
        self._read()
        self._next_look = self._now() + _INTERVAL

    def keys(self) -> _KeysT:
        """Return the keys; the file is looked at again, but at most once a second."""
        now = self._now()
        if now >= self._next_look:
            self._next_look = now + _INTERVAL
            self._reread()
        if self._keys is None:
            raise RuntimeError("the scheme was not started")
        return self._keys

    def _reread(self) -> None:
        try:
            if self._version_now() != self._version:
                self._read()
        except (ConfigError, OSError) as error:
            message = "the changed keys are not used, those before stay valid: {error}"
            _log.emit("error", f"keys {self._path}", message, error=error)

    def _read(self) -> None:
        try:
            # The version first: a change while the file is read is noticed at the next look.
            version = self._version_now()
            with open(self._path, "rb") as file:
                keys = self._parse(file.read())
        except OSError as error:
            remedy = "let the user of the service read it"
            raise ConfigError(self._where, f"{self._path} cannot be read: {error.strerror}", remedy) from None
        except ValueError as error:
            raise ConfigError(self._where, f"{self._path}: {error}") from None
        self._version, self._keys = version, keys

    def _version_now(self) -> tuple[int, ...]:
        status = os.stat(self._path)
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
