"""Applications that cannot be loaded, each for another reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from msgspec import Struct

from unixsvc import GET, POST, App, Check, Group

_NO_FAILURES: Any = [ValueError]


class _Inner(Struct):
    x: int


def plain(id: int = 0) -> int:
    """A valid action."""
    return id


def unannotated(id) -> int:  # type: ignore[no-untyped-def]
    """A parameter has no annotation."""
    return int(id)


def without_result(id: int = 0):  # type: ignore[no-untyped-def]
    """The return value has no annotation."""
    return id


def two_wholes(first: _Inner, second: _Inner) -> int:
    """Two parameters take the whole data."""
    return first.x + second.x


def generator() -> Iterator[int]:
    """A synchronous generator."""
    yield 1


async def waiting() -> int:
    """A blocking coroutine."""
    return 1


async def streaming() -> AsyncIterator[int]:
    """A blocking stream."""
    yield 1


def no_json(value: Annotated[int, Check(bool, message="no")] | str) -> Any:
    """A check in a position that is not supported."""
    return value


class Controller:
    """A controller with one action."""

    def __init__(self, missing: Struct) -> None:
        self._missing = missing

    def show(self) -> int:
        """A valid action."""
        return 1


class Other:
    """A controller without actions."""


no_app = 7
good = App([GET("/plain", plain)], version="2")
twice = App([GET("/a/{x:int}", plain), GET("/a/{y:int}", plain)])
reserved = App([GET("/-/mine", plain)])
no_slash = App([GET("plain", plain)])
no_kind = App([GET("/{id:number}", plain)])
no_variable = App([GET("/{other}", plain)])
wrong_kind = App([GET("/{id}", plain)])
path_first = App([GET("/{id:path}/more", plain)])
no_annotation = App([GET("/{id:int}", unannotated)])
no_result = App([GET("/x", without_result)])
both = App([POST("/x", two_wholes)])
generates = App([GET("/x", generator)])
blocks = App([GET("/x", waiting, blocking=True)])
streams = App([GET("/x", streaming, blocking=True)])
shielded = App([GET("/x", streaming, shield=True)])
checks = App([GET("/x", no_json)])
needs = App([Group("", Controller, [GET("/x", Controller.show)])])
foreign = App([Group("", Other, [GET("/x", Controller.show)])])
errors = App([GET("/x", plain, errors=_NO_FAILURES)])
mounts = App([GET("/x/y", plain)], mounts={"/x": "good"})
mounts_itself = App([], mounts={"/x": "mounts_itself"})
mounts_nothing = App([], mounts={"x/": "good"})
