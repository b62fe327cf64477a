"""Files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from unixsvc import GET, HEAD, POST, File, Group

__all__ = ["ROUTES"]

_FOLDER: Final = Path(__file__).parent


class Files:
    """Files of this folder, with and without a name to save them under."""

    async def show(self) -> File:
        """A file that a browser shows."""
        return File(
            _FOLDER / "__init__.py", media_type="text/plain; charset=utf-8", cache_control="max-age=60"
        )

    def save(self) -> File:
        """A file that a browser saves."""
        return File(_FOLDER / "app.py", filename="Anwendung \u2116 1.py")

    async def choose(self, name: str) -> File:
        """A file that the client names."""
        return File(name, folder=_FOLDER)


ROUTES: Final = [
    Group(
        "/files",
        Files,
        [
            GET("/shown", Files.show, public=True),
            HEAD("/shown", Files.show, public=True),
            GET("/saved", Files.save, public=True),
            POST("/saved", Files.save, public=True),
            GET("/named/{name:path}", Files.choose, public=True),
        ],
    )
]
