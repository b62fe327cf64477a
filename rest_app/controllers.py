"""The actions that only the demo over HTTP has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

__all__ = ["Greeting", "Home", "Tick"]

Count = Annotated[int, Meta(ge=1, le=10)]
Seconds = Annotated[float, Meta(ge=0.0, le=0.02)]


class Greeting(Struct, frozen=True):
    """What the front door says."""

    message: str


class Tick(Struct, frozen=True):
    """One of several, the first of which is number 1."""

    number: int


class Home:
    """The front door, and its clock.

    :param reactor: by which the clock goes.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    def index(self) -> Greeting:
        """Say hello."""
        return Greeting("Hello World!")

    async def ticks(self, count: Count = 3, pause: Seconds = 0.0) -> AsyncIterator[Tick]:
        """Give some ticks, with a pause of so many seconds before each."""
        for number in range(1, count + 1):
            await deferLater(self._reactor, pause)
            yield Tick(number)
