"""Open files, and how they are sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

__all__ = ["Descriptor", "OpenFile"]


class Descriptor(Protocol):
    """Owns a file descriptor, and closes it at the latest when it is no longer referenced."""

    def fileno(self) -> int:
        """Return the number."""

    def close(self) -> None:
        """Close it."""


class OpenFile(Struct, frozen=True, kw_only=True):
    """A regular file that is open, and how it is sent.

    :ivar size: in bytes.
    :ivar modified: the time of its last change, in nanoseconds since the epoch.
    :ivar media_type: with its charset.
    :ivar coding: its ``Content-Encoding``; empty for none.
    :ivar vary: the request headers on which the choice of the file depends, as in ``Vary``; empty for none.
    :ivar filename: the name under which the client saves it; empty for that in the URL.
    :ivar attachment: whether a browser saves it rather than shows it; None if there is a ``filename``.
    :ivar cache_control: empty for none.
    :ivar policy: the ``Content-Security-Policy``; empty for none, None for that of files that are no pages.
    :ivar counted: called with the status with which it is sent, if that is not the one of the reply.
    """

    descriptor: Descriptor
    size: int
    modified: int
    media_type: str
    coding: str = ""
    vary: str = ""
    filename: str = ""
    attachment: bool | None = None
    cache_control: str = ""
    policy: str | None = None
    counted: Callable[[int], None] | None = None
