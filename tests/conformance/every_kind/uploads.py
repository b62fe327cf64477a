"""Files of forms, and bodies as streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from unixsvc import POST, PUT, Group, Route, UploadFile

__all__ = ["ROUTES"]


class Described(Struct):
    """A file, described.

    :ivar filename: at least one character.
    """

    filename: Annotated[str, Meta(min_length=1)]
    size: Annotated[int, Meta(ge=0)]


def _describe(file: UploadFile) -> Described:
    return Described(file.filename, file.size)


# Any number is a valid text, as all fields of a form are text; so these texts are none.
_Text = Annotated[str, Meta(pattern="^[A-Z]{1,20}$")]


async def one(photo: UploadFile, title: _Text, count: Annotated[int, Meta(ge=0, le=99)] = 1) -> Described:
    """Take a file and text."""
    return _describe(photo)


async def optional(photo: UploadFile | None = None) -> Described | None:
    """Take a file, or none."""
    return None if photo is None else _describe(photo)


async def several(
    photos: Annotated[list[UploadFile], Meta(min_length=1, max_length=5)], note: _Text
) -> list[Described]:
    """Take one to five files."""
    return [_describe(each) for each in photos]


def blocking(photo: UploadFile) -> int:
    """Read a file in a thread."""
    return len(photo.file.read())


async def stream(body: AsyncIterator[bytes]) -> int:
    """Count the bytes of a body."""
    size = 0
    async for chunk in body:
        size += len(chunk)
    return size


ROUTES: Final[Sequence[Group | Route]] = (
    POST("/uploads/one", one, public=True, max_body=5_000_000),
    POST("/uploads/optional", optional, public=True),
    POST("/uploads/several", several, public=True),
    POST("/uploads/blocking", blocking, public=True, blocking=True),
    PUT("/uploads/stream", stream, public=True, max_body=5_000_000),
)
