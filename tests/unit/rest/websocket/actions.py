"""Actions with WebSockets, for tests."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred

from unixsvc import GET, WEBSOCKET, App, Cancelled, Conflict, Group, Invalid, Request, WebSocket
from unixsvc import WebSocketClosed as Closed
from unixsvc.domain.reply_head import HeaderFields

__all__ = ["Line", "Sockets", "make_app"]


class Line(Struct):
    """A message."""

    text: Annotated[str, Meta(max_length=100)]
    size: float = 0


class Sockets:
    """The actions; each instance remembers what has happened.

    :ivar events: what the actions have noticed.
    :ivar sockets: those of :meth:`hold` and :meth:`mute`.
    :ivar release: what :meth:`hold` waits for before each message.
    :ivar headers: what :meth:`choose` adds to the response.
    """

    def __init__(self) -> None:
        self.events: list[object] = []
        self.sockets: list[WebSocket[str, str]] = []
        self.release: Deferred[None] = Deferred()
        self.headers: HeaderFields = ()

    async def echo(self, room: str, socket: WebSocket[Line, Line], mark: str = "") -> None:
        """Sends each message back; notes how it ends."""
        try:
            async for line in socket:
                await socket.send(Line(f"{room}{mark}: {line.text}", line.size))
            self.events.append(socket.close_code)
        except Cancelled:
            self.events.append("cancelled")
            raise

    async def lenient(self, socket: WebSocket[Line, str]) -> None:
        """Tells the client what is wrong with a message, and goes on."""
        while True:
            try:
                line = await socket.receive()
            except Invalid as error:
                await socket.send(error.detail[0]["message"])
            else:
                await socket.send(line.text)

    async def text(self, socket: WebSocket[str, str]) -> None:
        """Sends text back."""
        async for message in socket:
            await socket.send(message.upper())

    async def binary(self, socket: WebSocket[bytes, bytes]) -> None:
        """Sends bytes back."""
        async for message in socket:
            await socket.send(message[::-1])

    async def both(self, socket: WebSocket[str | bytes, str | bytes]) -> None:
        """Sends messages back as they are."""
        async for message in socket:
            await socket.send(message)

    async def choose(self, socket: WebSocket[str, str], request: Request) -> None:
        """Chooses a subprotocol."""
        request.add_reply_header("X-Room", "7")
        await socket.accept("v2" if "v2" in socket.subprotocols else None, self.headers)
        await socket.send(str(socket.subprotocol))

    async def fail(self, socket: WebSocket[str, str]) -> None:
        """Fails as the first message says."""
        message = await socket.receive()
        if message == "conflict":
            raise Conflict("sold out")
        raise RuntimeError("a secret")

    async def refuse(self, socket: WebSocket[str, str]) -> None:
        """Fails before the handshake is accepted."""
        raise Conflict("sold out")

    async def never(self, socket: WebSocket[str, str]) -> None:
        """Waits before the handshake is accepted."""
        await self.release

    async def late(self, socket: WebSocket[str, str]) -> None:
        """Accepts when ``release`` has fired, and sends text back."""
        await self.release
        await self.text(socket)

    async def unused(self, socket: WebSocket[str, str]) -> None:
        """Does not use the WebSocket."""

    async def hold(self, socket: WebSocket[str, str]) -> None:
        """Accepts, and takes messages when ``release`` has fired."""
        await socket.accept()
        self.sockets.append(socket)
        try:
            await self.release
            async for message in socket:
                self.events.append(message)
        except Cancelled:
            self.events.append("cancelled")
            raise

    async def mute(self, socket: WebSocket[str, str]) -> None:
        """Accepts, and waits for the end."""
        await socket.accept()
        self.sockets.append(socket)
        async for message in socket:
            self.events.append(message)
        self.events.append(socket.close_code)
        try:
            await socket.send("late")
        except Closed as closed:
            self.events.append(closed.close_code)

    async def close(self, socket: WebSocket[str, str]) -> None:
        """Closes as the message says."""
        code = await socket.receive()
        await socket.close(int(code), "bye")
        self.events.append(socket.closed)

    async def plain(self) -> str:
        """No WebSocket."""
        return "plain"


def make_app(controller: Sockets) -> App:
    """An application with the actions of one controller."""
    names = [
        "lenient",
        "text",
        "binary",
        "both",
        "choose",
        "fail",
        "refuse",
        "never",
        "late",
        "unused",
        "hold",
        "mute",
        "close",
    ]
    routes = [WEBSOCKET(f"/{name}", getattr(controller, name), public=True) for name in names]
    return App(
        [
            Group(
                "",
                None,
                [
                    WEBSOCKET("/echo/{room}", controller.echo, public=True),
                    WEBSOCKET("/private/{room}", controller.echo),
                    WEBSOCKET("/number/{id:int}", _number, public=True),
                    GET("/plain", controller.plain, public=True),
                    GET("/both", controller.plain, public=True),
                    *routes,
                ],
            )
        ]
    )


async def _number(id: Annotated[int, Meta(le=9)], socket: WebSocket[str, str]) -> None:
    await socket.send(str(id))
