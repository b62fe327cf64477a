"""An application that takes uploads, and says what they cost the worker."""

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

from msgspec import Struct

from unixsvc import GET, POST, PUT, App, UploadFile

_MOST = 1_000_000_000


class Received(Struct):
    """What was received."""

    size: int
    checksum: int


class Worker(Struct):
    """The worker.

    :ivar peak: of its resident memory, in kB.
    :ivar unnamed: the open files that have no name.
    """

    pid: int
    peak: int
    unnamed: int


async def form(photo: UploadFile, title: str) -> Received:
    """Read a file."""
    checksum = zlib.crc32(title.encode())
    async for chunk in photo:
        checksum = zlib.crc32(chunk, checksum)
    return Received(photo.size, checksum)


async def stream(body: AsyncIterator[bytes]) -> Received:
    """Read a stream."""
    size = checksum = 0
    async for chunk in body:
        size += len(chunk)
        checksum = zlib.crc32(chunk, checksum)
    return Received(size, checksum)


async def worker() -> Worker:
    """Measure."""
    status = Path("/proc/self/status").read_text("utf-8")
    peak = int(status.partition("VmHWM:")[2].split()[0])
    unnamed = 0
    for each in os.listdir("/proc/self/fd"):
        path = Path("/proc/self/fd", each)
        unnamed += path.is_symlink() and os.readlink(path).endswith(" (deleted)")
    return Worker(os.getpid(), peak, unnamed)


app = App(
    [
        POST("/form", form, public=True, max_body=_MOST),
        PUT("/stream", stream, public=True, max_body=_MOST),
        PUT("/private", stream, max_body=_MOST),
        GET("/worker", worker, public=True),
    ]
)
