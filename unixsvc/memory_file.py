"""Files in memory, for APIs that take the contents of files by a path."""

from __future__ import annotations

import os

__all__ = ["MemoryFile"]


class MemoryFile:
    """A file in memory, as Python's API takes certificates and keys from files only.

    :ivar path: its path, within the block.
    """

    def __init__(self, content: str) -> None:
        self._content = content

    def __enter__(self) -> MemoryFile:
        self._descriptor = os.memfd_create("unixsvc-certificates", os.MFD_CLOEXEC)
        with open(self._descriptor, "wb", closefd=False) as file:
            file.write(self._content.encode("ascii", "replace"))
        self.path = f"/proc/self/fd/{self._descriptor}"
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)
