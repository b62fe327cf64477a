"""Routes with WebSockets, which the document describes beside the operations."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from unixsvc import GET, WEBSOCKET, Route, WebSocket

__all__ = ["ROUTES"]


class Line(Struct):
    """A message."""

    text: str


async def chat(room: str, socket: WebSocket[Line, list[Line]], name: str = "guest") -> None:
    """Send back all lines."""
    lines: list[Line] = []
    async for line in socket:
        lines.append(line)
        await socket.send(lines)


async def members(room: str) -> int:
    """Return how many members a room has."""
    return 0


ROUTES: Final[tuple[Route, ...]] = (
    WEBSOCKET("/rooms/{room}", chat, public=True),
    GET("/rooms/{room}", members, public=True),
)
