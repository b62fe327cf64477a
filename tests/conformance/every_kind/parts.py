"""Routes with header fields, cookies, queries, and bodies of every kind."""

from __future__ import annotations

import enum
from datetime import date
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from unixsvc import GET, POST, PUT, Body, ClientInfo, Cookie, Form, Group, Header, Query

__all__ = ["ROUTES"]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Item(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=20)]
    price: Annotated[float, Meta(ge=0, le=99)] = 1.0


class Place(Struct):
    city: str


class Login(Struct):
    name: Annotated[str, Meta(min_length=1)]
    age: Annotated[int, Meta(ge=0, le=150)] = 0


# In JSON bodies: JSON Schema takes 1.0 for an integer, and a strict decoder does not.
_Number = Annotated[float, Meta(ge=0, le=1000)]
_Small = Annotated[int, Meta(ge=0, le=1000)]


def _headers(
    x_tenant: Annotated[str, Header(), Meta(pattern="^[a-z]{1,8}$")],
    x_limit: Annotated[_Small, Header()] = 10,
    x_colour: Annotated[Colour, Header()] = Colour.RED,
    x_on: Annotated[bool, Header()] = False,
    x_day: Annotated[date | None, Header()] = None,
) -> list[Any]:
    return [x_tenant, x_limit, x_colour, x_on, x_day]


def _cookies(
    session: Annotated[str, Cookie(), Meta(pattern="^[a-z]{1,8}$")], visits: Annotated[_Small, Cookie()] = 0
) -> list[Any]:
    return [session, visits]


def _beside(
    item: Item,
    page: Annotated[_Small, Query()] = 1,
    tags: Annotated[list[str], Query("tag")] = [],
) -> list[Any]:
    return [item, page, tags]


def _parts(
    item: Annotated[Item, Body()],
    place: Annotated[Place, Body()],
    note: Annotated[str, Body("the-note")] = "",
    x_tenant: Annotated[Annotated[str, Meta(pattern="^[a-z]{1,8}$")] | None, Header()] = None,
) -> list[Any]:
    return [item, place, note, x_tenant]


def _array(numbers: Annotated[list[_Number], Body()]) -> float:
    return sum(numbers)


def _structs(items: Annotated[list[Item], Body()]) -> list[Item]:
    return items


def _scalar(number: Annotated[_Number, Body()]) -> float:
    return number


def _counts(counts: Annotated[dict[str, _Number], Body()]) -> int:
    return len(counts)


def _raw(data: bytes) -> int:
    return len(data)


def _form(form: Annotated[Login, Form()], page: Annotated[_Small, Query()] = 1) -> list[Any]:
    return [form, page]


def _fields(
    name: Annotated[str, Form(), Meta(min_length=1)], age: Annotated[_Small, Form()] = 0
) -> list[Any]:
    return [name, age]


def _client(client: ClientInfo) -> bool:
    return bool(client.address)


ROUTES: Final = (
    Group(
        "/parts",
        None,
        [
            GET("/headers", _headers, public=True),
            GET("/cookies", _cookies, public=True),
            POST("/beside", _beside, public=True),
            POST("/parts", _parts, public=True),
            POST("/array", _array, public=True),
            POST("/structs", _structs, public=True),
            PUT("/scalar", _scalar, public=True),
            PUT("/counts", _counts, public=True),
            POST("/raw", _raw, public=True),
            POST("/form", _form, public=True),
            POST("/fields", _fields, public=True),
            GET("/client", _client, public=True),
        ],
    ),
)
