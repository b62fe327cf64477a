"""The actions of the service ``home``."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Greeting", "Home"]


class Greeting(Struct, frozen=True):
    """What the front door says."""

    message: str


class Home:
    """The front door."""

    def index(self) -> Greeting:
        """Say hello."""
        return Greeting("Hello World!")
