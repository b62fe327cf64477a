"""An application with versions: the file ``mode`` beside it selects one."""

import itertools
import os
import time
from pathlib import Path
from typing import Any

import svcs

from unixsvc import GET, POST, App

_MODE = Path(__file__).with_name("mode").read_text().strip()
_calls = itertools.count(1)

if _MODE == "raise":
    raise RuntimeError("this version cannot be imported")
if _MODE == "hang":
    time.sleep(3600)
if _MODE == "die":
    os._exit(17)


def version() -> str:
    """The version."""
    return _MODE


def item(id: int) -> dict[str, int]:
    """The route of the load test."""
    return {"id": id}


def stand_still() -> None:
    """Block the event loop forever."""
    while True:
        pass


def leak(size: int) -> int:
    """Keep this many bytes."""
    _kept.append(b"x" * size)
    return len(_kept)


_kept: list[bytes] = []


class _Store:
    """A dependency whose ping depends on the version."""


def _ping(store: _Store) -> None:
    if _MODE == "sick":
        raise RuntimeError("the store cannot be reached")


def _register(registry: svcs.Registry, context: Any) -> None:
    registry.register_factory(_Store, _Store, ping=_ping)


app = App(
    routes=[
        GET("/version", version),
        GET("/item/{id:int}", item),
        POST("/stand-still", stand_still),
        POST("/leak", leak),
    ],
    container=_register,
)
