"""An application with files."""

from __future__ import annotations

from unixsvc import GET, App, File

__all__ = ["app"]


async def named(name: str) -> File:
    """A file of the folder ``files``."""
    return File(name, folder="files")


async def ping() -> str:
    """No file."""
    return "pong"


app = App([GET("/files/{name:path}", named, public=True), GET("/ping", ping, public=True)])
