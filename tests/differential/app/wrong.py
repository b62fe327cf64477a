"""Applications that cannot work, each for another reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from msgspec import Struct

from unixsvc import GET, POST, App, Check, Group

_NO_FAILURES: Any = [ValueError]


class _Inner(Struct):
    x: int


def plain(id: int = 0) -> int:
    """Work."""
    return id


def unannotated(id) -> int:  # type: ignore[no-untyped-def]
    """Say nothing of the argument."""
    return int(id)


def without_result(id: int = 0):  # type: ignore[no-untyped-def]
    """Say nothing of the result."""
    return id


def two_wholes(first: _Inner, second: _Inner) -> int:
    """Want all of the data twice."""
    return first.x + second.x


def generator() -> Iterator[int]:
    """Be a plain generator."""
    yield 1


async def waiting() -> int:
    """Wait in a thread, which cannot be."""
    return 1


async def streaming() -> AsyncIterator[int]:
    """Stream from a thread, which cannot be."""
    yield 1


def no_json(value: Annotated[int, Check(bool, message="no")] | str) -> Any:
    """Have a check where none is looked at."""
    return value


class Controller:
    """Has one action."""

    def __init__(self, missing: Struct) -> None:
        self._missing = missing

    def show(self) -> int:
        """Show something."""
        return 1


class Other:
    """Has none."""


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
