"""The actions of the service ``home``."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Greeting", "Home"]


class Greeting(Struct, frozen=True):
    """A greeting."""

    message: str


class Home:
    """The home page."""

    def index(self) -> Greeting:
        """Return the greeting."""
        return Greeting("Hello World!")
