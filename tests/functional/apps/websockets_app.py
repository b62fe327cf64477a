"""WebSockets over HTTP."""

from __future__ import annotations

import os

from msgspec import Struct

from unixsvc import GET, WEBSOCKET, App, WebSocket


class Line(Struct):
    """A message of the chat."""

    text: str


rooms: dict[str, set[WebSocket[Line, Line]]] = {}


async def chat(room: str, socket: WebSocket[Line, Line]) -> None:
    """Sends each message to everybody in the room."""
    members = rooms.setdefault(room, set())
    members.add(socket)
    try:
        async for line in socket:
            for member in list(members):
                member.try_send(line)
    finally:
        members.discard(socket)


async def echo(socket: WebSocket[str | bytes, str | bytes]) -> None:
    """Sends each message back."""
    async for message in socket:
        await socket.send(message)


async def crash(socket: WebSocket[str, str]) -> None:
    """Fails when it gets a message."""
    async for message in socket:
        raise RuntimeError(message)


async def members(room: str) -> int:
    """The number of members of a room."""
    return len(rooms.get(room, ()))


async def pid() -> int:
    """The id of the worker."""
    return os.getpid()


app = App(
    [
        WEBSOCKET("/chat/{room}", chat, public=True),
        WEBSOCKET("/echo", echo, public=True),
        WEBSOCKET("/crash", crash, public=True),
        GET("/members/{room}", members, public=True),
        GET("/pid", pid, public=True),
    ]
)
