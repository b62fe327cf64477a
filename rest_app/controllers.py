"""The controllers that only the demo over HTTP has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlencode

from msgspec import Meta, Struct
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import Redirect, UploadFile

__all__ = ["Greeting", "Home", "Pictures", "Tick"]

Count = Annotated[int, Meta(ge=1, le=10)]
Seconds = Annotated[float, Meta(ge=0.0, le=0.02)]


class Greeting(Struct, frozen=True):
    """A greeting."""

    message: str


class Tick(Struct, frozen=True):
    """One of several ticks, numbered from 1."""

    number: int


class Home:
    """The root of the demo, and a stream.

    :param reactor: the clock of the ticks.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    def index(self) -> Greeting:
        """Say hello."""
        return Greeting("Hello World!")

    async def ticks(self, count: Count = 3, pause: Seconds = 0.0) -> AsyncIterator[Tick]:
        """Send some ticks, with a pause before each, in seconds."""
        for number in range(1, count + 1):
            await deferLater(self._reactor, pause)
            yield Tick(number)


class Pictures:
    """Takes the form of the page ``/form``."""

    async def add(self, picture: UploadFile) -> Redirect:
        """Take a picture, of which only the size is kept, and lead back to the page."""
        found = {"name": picture.filename, "size": picture.size}
        return Redirect(f"/form?{urlencode(found)}")
