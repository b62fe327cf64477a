"""The page and its files, from the package."""

from __future__ import annotations

import gzip
import os
from functools import lru_cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from unixsvc.rest.headers.etags import etag_of

__all__ = ["FILES", "StaticFile", "read_static"]

# A descriptor: the folder may be gone, or out of reach, when the first page is opened.
_FOLDER: Final = os.open(Path(__file__).with_name("static"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
_SCRIPT: Final = b"text/javascript; charset=utf-8"
_STYLE: Final = b"text/css; charset=utf-8"
_MODULES: Final = (
    "actions", "app", "calls", "dom", "ended", "events", "format", "graph", "history", "logs", "plots",
    "services", "source", "trace",
)  # fmt: skip

# Each file by its path. No part of a request ever becomes part of a file path.
FILES: Final[dict[str, tuple[str, bytes]]] = {
    "/": ("index.html", b"text/html; charset=utf-8"),
    "/style.css": ("style.css", _STYLE),
    "/icon.svg": ("icon.svg", b"image/svg+xml"),
    "/uplot.js": ("uplot/uPlot.esm.js", _SCRIPT),
    "/uplot.css": ("uplot/uPlot.min.css", _STYLE),
    **{f"/{name}.js": (f"{name}.js", _SCRIPT) for name in _MODULES},
}


class StaticFile(Struct, frozen=True):
    """A file, as it is sent.

    :ivar body: compressed with gzip.
    :ivar plain: uncompressed.
    """

    content_type: bytes
    plain: bytes
    body: bytes
    etag: bytes


@lru_cache(64)  # more than there are files: a wrong path must not stay for ever
def read_static(path: str) -> StaticFile | None:
    """The file at a path; None if there is none."""
    if path not in FILES:
        return None
    name, content_type = FILES[path]
    with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=_FOLDER), "rb") as file:
        plain = file.read()
    return StaticFile(content_type, plain, gzip.compress(plain, 6, mtime=0), etag_of(plain))
