"""Files as results of actions."""

from __future__ import annotations

import os

from msgspec import Struct

from unixsvc.domain.reply_head import check_header, check_media_type

__all__ = ["File"]


class File(Struct, frozen=True):
    """The result of an action that answers with a file of the disk, over HTTP only.

    The action declares it: ``async def invoice(self, number: int) -> File``. Ranges, conditional requests and
    HEAD are answered as HTTP requires; the file is not read into memory. The reply is 404 if there is no such
    file.

    :ivar path: of a regular file; absolute, or relative to ``folder``, or else to the current directory.
    :ivar media_type: with its charset; empty for that of the name.
    :ivar filename: the name under which a browser saves the file; empty for that in the URL.
    :ivar attachment: whether a browser saves the file rather than shows it; None if there is a ``filename``.
    :ivar folder: the folder in which the file must be, if a part of the path comes from a client: a path that
        leads out of it is 404, also through symbolic links.
    :ivar cache_control: the value of ``Cache-Control``; empty for none.
    :raises ValueError: for values that cannot be sent in a header.
    """

    path: str | os.PathLike[str]
    media_type: str = ""
    filename: str = ""
    attachment: bool | None = None
    folder: str | os.PathLike[str] = ""
    cache_control: str = ""

    def __post_init__(self) -> None:
        check_header("Cache-Control", self.cache_control)
        if self.media_type:
            check_media_type(self.media_type)
