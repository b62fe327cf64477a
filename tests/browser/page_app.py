"""A page that uses what browsers have: cookies, a form with files, events that resume, and a WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Struct

from unixsvc import (
    GET,
    POST,
    WEBSOCKET,
    App,
    Cookie,
    Event,
    LastEventId,
    Response,
    Returns,
    SetCookie,
    UploadFile,
    WebSocket,
)

__all__ = ["app"]

_PAGE = """<!doctype html>
<title>Shop</title><link rel="icon" href="data:,">
<form action="/photos" method="post" enctype="multipart/form-data">
  <input name="title">
  <input type="file" name="front">
  <input type="file" name="more" multiple>
  <button>Send</button>
</form>
<script src="/script"></script>
"""
_SCRIPT = """
function events(count) {
  return new Promise(resolve => {
    const found = [];
    const source = new EventSource("/events");
    source.addEventListener("tick", event => {
      found.push(`${event.lastEventId}:${event.data}`);
      if (found.length === count) { source.close(); resolve(found); }
    });
  });
}

function chat(texts) {
  return new Promise((resolve, reject) => {
    const found = [];
    const socket = new WebSocket(`ws://${location.host}/chat`);
    socket.onerror = reject;
    socket.onopen = () => texts.forEach(text => socket.send(JSON.stringify({text})));
    socket.onmessage = event => {
      found.push(JSON.parse(event.data).text);
      if (found.length === texts.length) socket.close(4001, "done");
    };
    socket.onclose = event => resolve([...found, `${event.code} ${event.reason}`]);
  });
}
"""


class Say(Struct):
    """A message of the chat."""

    text: str


class Stored(Struct):
    """The files of a form."""

    title: str
    sizes: dict[str, int]


def show() -> str:
    """The page."""
    return _PAGE


def script() -> str:
    """Its script."""
    return _SCRIPT


def visit(
    visits: Annotated[int, Cookie()] = 0,
) -> Annotated[Response[int], Returns(status=200)]:
    """Count visits in a cookie."""
    return Response(visits, cookies=[SetCookie("visits", str(visits + 1))])


async def store(front: UploadFile, title: str, more: list[UploadFile] = []) -> Stored:
    """Take a form."""
    return Stored(title, {each.filename: len(await each.read()) for each in (front, *more)})


async def events(last: Annotated[str | None, LastEventId()]) -> AsyncIterator[Event[int]]:
    """Send three events at a time: a browser connects again for more, and says which it has seen."""
    start = int(last) + 1 if last else 0
    for number in range(start, start + 3):
        yield Event(number * number, id=str(number), event="tick", retry=10)


async def chat(socket: WebSocket[Say, Say]) -> None:
    """Answer in capitals."""
    async for message in socket:
        await socket.send(Say(message.text.upper()))


app = App(
    [
        GET("/page", show, public=True, media_types=["text/html"]),
        GET("/script", script, public=True, media_types=["text/javascript"]),
        GET("/visit", visit, public=True),
        POST("/photos", store, public=True, max_body=1_000_000),
        GET("/events", events, public=True),
        WEBSOCKET("/chat", chat, public=True),
    ]
)
