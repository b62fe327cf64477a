"""A service that takes and gives every type there is; its client is ``samples/everything_client.py``."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from unixsvc.routing.route import DELETE, GET, POST, PUT

__all__ = ["ROUTES", "Colour"]

Name = Annotated[str, Meta(min_length=1, pattern="^[a-z]+$")]


class Colour(enum.Enum):
    """What a thing looks like."""

    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Pair(Struct, array_like=True):
    left: int
    right: int


class Circle(Struct, tag_field="shape", tag="circle"):
    radius: Annotated[float, Meta(gt=0)]


class Square(Struct, tag_field="shape", tag="square"):
    side: float


@dataclass
class Owner:
    """Whose it is."""

    name: str
    since: dt.date | None = None


class Labels(TypedDict, total=False):
    first: str


class Node(Struct):
    """What contains itself."""

    value: int
    children: list[Node] = []


class Settings(Struct, forbid_unknown_fields=True, rename="kebab"):
    """What is only sent: "quotes", new\u00a0spaces and \"\"\" are no trouble."""

    max_size: Annotated[int, Meta(description="In bytes.")]
    class_: Annotated[str, Meta(title="Class")] = msgspec.field(default="a", name="class")
    list_: list[int] = msgspec.field(default_factory=list, name="list")


class Thing(Struct):
    """What has everything."""

    id: UUID
    name: Name
    colour: Colour
    level: Level
    date: dt.date
    at: Annotated[dt.datetime, Meta(tz=True)]
    lasts: dt.timedelta
    price: Decimal
    raw: bytes
    anything: Any
    nothing: None
    pair: Pair
    point: Point
    mixed: int | str | list[bool] | None
    shape: Circle | Square | None
    labels: Labels
    owner: Owner | None = None
    kind: Literal["a", 1, None] = "a"
    share: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    scores: Annotated[dict[str, float], Meta(max_length=3)] = {}
    both: tuple[int, str] = (1, "x")
    many: Annotated[list[Node], Meta(max_length=9)] = []
    tags: set[str] = set()
    day: dt.date = dt.date(2026, 1, 2)
    long: bool = msgspec.field(default=True, name="l")


def look(id: int) -> Thing:
    """Give a thing."""
    raise NotImplementedError


def search(
    text: Name,
    limit: Annotated[int, Meta(ge=1, le=100)] = 20,
    colours: list[Colour] | None = None,
    since: dt.date | None = None,
    timeout: float = 1.5,
    data: bool = False,
    result: str = 'a "b"',
) -> list[Thing]:
    """Look for things."""
    return []


def file(name: str, rest: str) -> Any:
    """Give anything."""


async def on(day: dt.date, colour: Colour, share: float) -> AsyncIterator[dict[str, list[Circle | Square]]]:
    """Give shapes, one after the other."""
    yield {}


def configure(settings: Settings) -> None:
    """Take settings."""


def keep(thing: Thing) -> Thing:
    """Take what is also given."""
    return thing


def forget(id: UUID) -> bool | None:
    """Forget it."""
    return None


ROUTES = [
    GET("/", search, title='Finds "things"', description="Slowly.\n\nBut it finds them: \\d+."),
    GET("/things/{id:int}", look, title="One thing"),
    GET("/files/{name}/é%20?/{rest:path}", file),
    GET("/on/{day}/{colour}/{share:float}", on),
    PUT("/settings", configure),
    POST("/things", keep),
    POST("/thi-ngs", keep),
    POST("/thi_ngs", keep),
    DELETE("/things/{id:uuid}", forget, title="Forgets a thing"),
]
