"""Actions with given parameters."""

from __future__ import annotations

import dataclasses
import enum
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Generic, NotRequired, TypedDict, TypeVar

import msgspec
from msgspec import Meta, Struct

from unixsvc.domain.message import EMPTY, Request
from unixsvc.routing.binding import Binder
from unixsvc.routing.checks import Check
from unixsvc.routing.pattern import variables_of
from unixsvc.routing.signature import read_signature

if TYPE_CHECKING:
    from datetime import date

__all__ = [
    "Box", "Colour", "Even", "Limit", "New", "Odd", "Record", "Tree", "Unfinished", "Unit", "binder", "bound",
    "taking",
]  # fmt: skip

T = TypeVar("T")
Limit = Annotated[int, Meta(ge=1, le=100)]
Even = Annotated[int, Check(lambda value: value % 2 == 0, message="{value} is odd")]


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class New(Struct, forbid_unknown_fields=True):
    """A struct for the whole data."""

    name: Annotated[str, Meta(min_length=1)]
    price: Annotated[float, Meta(gt=0)]
    size: int = msgspec.field(default=0, name="Size")

    def __post_init__(self) -> None:
        """Check the whole struct."""
        if self.name == "air" and self.price > 1:
            raise ValueError("air is not worth that")


@dataclasses.dataclass
class Box(Generic[T]):
    """A generic dataclass."""

    content: T
    tags: list[str] = dataclasses.field(default_factory=list)


class Record(TypedDict):
    """A TypedDict."""

    id: int
    name: NotRequired[Annotated[str, Meta(min_length=1)]]


class Unit(Struct):
    """Another struct."""

    unit: str = "m"


class Tree(Struct):
    """A recursive struct."""

    branches: list[Tree] = []


class Unfinished(Struct):
    """A class whose annotation cannot be resolved."""

    day: date


class Odd:
    """A class that has no JSON."""


def taking(**parameters: Any) -> Callable[..., Any]:
    """An action with these parameters: annotations, or pairs of annotation and default."""

    def action(**arguments: Any) -> Any:
        return arguments

    pairs = {name: each if isinstance(each, tuple) else (each,) for name, each in parameters.items()}
    action.__annotations__ = {**{name: kind for name, (kind, *_) in pairs.items()}, "return": int}
    action.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default[0])
         if default else inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
         for name, (_, *default) in pairs.items()]
    )  # fmt: skip
    return action


def binder(action: Callable[..., Any], pattern: str = "/") -> Binder:
    """The binder of an action."""
    where = f"GET {pattern}"
    return Binder(read_signature(action, variables_of(pattern), where), where)


def bound(
    action: Callable[..., Any], pattern: str = "/", *values: Any, data: bytes | None = None, query: str = ""
) -> dict[str, Any]:
    """The arguments of one call."""
    raw = EMPTY if data is None else msgspec.Raw(data)
    return binder(action, pattern)(Request("GET", pattern, raw, query), list(values))
