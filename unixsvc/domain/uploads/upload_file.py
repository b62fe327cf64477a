"""The files of a form, as an action gets them."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from io import BytesIO
from os import PathLike
from typing import BinaryIO, Final, Protocol, TypeVar

__all__ = ["DEFAULT_MEDIA_TYPE", "FileContent", "RunBlocking", "UploadFile", "safe_filename"]

DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"
_T = TypeVar("_T")
_PIECE: Final = 262_144  # bytes that an iteration reads at once
_MAX_FILENAME: Final = 255  # bytes, as most file systems have it
_MAX_SUFFIX: Final = 32
_NOT_IN_NAMES: Final = frozenset('<>:"|?*')  # on Windows

RunBlocking = Callable[[Callable[[], _T]], Awaitable[_T]]
"""Calls a function in a thread."""


class FileContent(Protocol):
    """Where the content of a file is. Threads may call the methods."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    @property
    def in_memory(self) -> bool:
        """Whether reading never waits for a disk."""

    def read(self, position: int, size: int) -> bytes:
        """Return the bytes from a position on: as many as there are, up to a size."""

    def open(self) -> BinaryIO:
        """Return a file object for reading."""

    def copy_to(self, path: str | PathLike[str]) -> None:
        """Write all bytes to a new file, which replaces one that is there."""


class UploadFile:
    """A file that a client has sent in a form of the type ``multipart/form-data``.

    An action takes it as a parameter: ``photo: UploadFile``, ``photo: UploadFile | None = None`` or
    ``photos: list[UploadFile]``. It can be read until the request has ended.

    A test makes one itself: ``UploadFile("cat.png", b"...", content_type="image/png")``.

    :param run: calls functions in a thread; None to call them here.
    :ivar filename: the client's name without folders and without characters that are not safe in a name.
    :ivar client_filename: the name as the client has sent it. It may be a path, or contain any character.
    :ivar content_type: as the client has sent it. The content may be something else.
    :ivar size: in bytes.
    :ivar headers: of the part of the form, by their names in lower case.
    """

    def __init__(
        self,
        filename: str,
        content: FileContent | bytes,
        *,
        content_type: str = DEFAULT_MEDIA_TYPE,
        headers: Mapping[str, str] | None = None,
        run: RunBlocking[object] | None = None,
    ) -> None:
        self.filename: Final = safe_filename(filename)
        self.client_filename: Final = filename
        self.content_type: Final = content_type
        self.headers: Final[Mapping[str, str]] = headers or {}
        self._content: Final = content if not isinstance(content, bytes) else _Bytes(content)
        self._run = run
        self._position = 0

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self._content.size

    @property
    def file(self) -> BinaryIO:
        """A new file object for reading, from the start on; for blocking actions."""
        return self._content.open()

    async def read(self, size: int = -1) -> bytes:
        """Read from the current position on; empty at the end.

        :param size: the most bytes; all that are left if it is negative.
        """
        position = self._position
        wanted = max(self.size - position, 0) if size < 0 else size
        data = await self._call(lambda: self._content.read(position, wanted))
        self._position = position + len(data)
        return data

    async def seek(self, position: int) -> None:
        """Set the current position, in bytes from the start."""
        self._position = max(position, 0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read(_PIECE):
            yield data

    async def save(self, path: str | PathLike[str]) -> None:
        """Write the whole content to a file. It appears under its name when it is complete.

        A file that is there is replaced.

        :raises OSError: if it cannot be written.
        """
        await self._call(lambda: self._content.copy_to(path), in_thread=True)

    def __repr__(self) -> str:
        return f"<UploadFile {self.filename!r} {self.size} bytes>"

    async def _call(self, function: Callable[[], _T], *, in_thread: bool = False) -> _T:
        if self._run is None or (self._content.in_memory and not in_thread):
            return function()
        result: _T = await self._run(function)  # type: ignore[assignment]
        return result


class _Bytes:
    """Content that a test has made."""

    in_memory: Final = True

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, position: int, size: int) -> bytes:
        return self._content[position : position + size]

    def open(self) -> BinaryIO:
        return BytesIO(self._content)

    def copy_to(self, path: str | PathLike[str]) -> None:
        with open(path, "wb") as target:
            target.write(self._content)


def safe_filename(name: str) -> str:
    """Return a name that is safe below any folder.

    It has no path, no control or formatting characters, none that Windows forbids, no dots or spaces at its
    ends, and at most 255 bytes. Empty names become ``file``. Two clients may send the same name.
    """
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    kept = (each for each in name if unicodedata.category(each)[0] != "C")
    name = "".join("_" if each in _NOT_IN_NAMES else each for each in kept).strip(". \t")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > _MAX_SUFFIX:
        stem, dot, suffix = name, "", ""
    room = _MAX_FILENAME - len((dot + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore") + dot + suffix or "file"
