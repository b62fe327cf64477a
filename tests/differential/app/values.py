"""Arguments of every type from the path, the query and the data; results of every type."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Annotated, Any, Literal

import svcs
from msgspec import Meta, Raw, Struct, field

from unixsvc import (
    DELETE,
    GET,
    HEAD,
    OPTIONS,
    PATCH,
    POST,
    PUT,
    Check,
    Created,
    Group,
    NotFound,
    Request,
    Route,
)

_FIRST_MISSING = 100


def _is_even(value: int, step: int) -> bool:
    return value % step == 0


class Line(Struct, forbid_unknown_fields=True):
    """One line of an order."""

    article: Annotated[str, Meta(pattern="^[A-Z]{2}[0-9]+$")]
    count: Annotated[
        int, Meta(ge=1, le=99), Check(_is_even, message="{value} is no multiple of {step}", step=2)
    ]


class Address(Struct):
    """A delivery address."""

    street: Annotated[str, Meta(min_length=2, max_length=20)]
    zip_code: str = field(name="zip")


class Order(Struct, forbid_unknown_fields=True):
    """A whole-struct body."""

    name: Annotated[str, Meta(min_length=1, max_length=12)]
    price: Annotated[float, Meta(gt=0)]
    lines: Annotated[list[Line], Meta(max_length=4)] = []
    address: Address | None = None
    tags: set[str] = set()
    day: date | None = None
    more: dict[str, int] = {}
    weight: int | str = 0


class Counts:
    """Counts by name, which show whether an action has run."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def add(self, name: str) -> int:
        """Increment a count."""
        self.counts[name] = self.counts.get(name, 0) + 1
        return self.counts[name]


TALLY = Counts()


class Values:
    """Actions that return their arguments."""

    async def hello(self) -> dict[str, str]:
        """Return a greeting."""
        return {"hello": "world"}

    def item(self, id: int) -> dict[str, int]:
        """Return an item, if it exists."""
        if id >= _FIRST_MISSING:
            raise NotFound(f"no item {id}")
        return {"id": id}

    async def integer(self, v: int) -> list[int]:
        """A whole number."""
        return [v]

    async def number(self, v: float) -> list[float]:
        """A number."""
        return [v]

    async def unique(self, v: uuid.UUID) -> list[uuid.UUID]:
        """A UUID."""
        return [v]

    async def text(self, v: str) -> list[str]:
        """A text of one segment."""
        return [v]

    async def rest(self, v: str) -> list[str]:
        """The rest of the path."""
        return ["rest", v]

    async def refined(
        self, id: Annotated[int, Meta(ge=1, le=9)], name: Annotated[str, Meta(max_length=3)]
    ) -> Any:
        """A number with bounds."""
        return [id, name]

    async def search(
        self,
        limit: Annotated[int, Meta(ge=1, le=100)] = 20,
        tags: list[str] = [],
        ratio: float = 1.0,
        exact: bool = False,
        kind: Literal["a", "b"] = "a",
        word: Annotated[str, Meta(min_length=1)] | None = None,
        numbers: Annotated[list[int], Meta(max_length=3)] = [],
    ) -> dict[str, Any]:
        """Optional arguments."""
        return {
            "limit": limit, "tags": tags, "ratio": ratio, "exact": exact, "kind": kind, "word": word,
            "numbers": numbers,
        }  # fmt: skip

    async def order(self, order: Order) -> Order:
        """A struct as the whole data."""
        return order

    async def address(self, address: Address) -> Address:
        """A struct that allows unknown fields."""
        return address

    def echo(self, value: Any) -> Any:
        """Any value."""
        return value

    async def created(self, name: str = "", empty: bool = False) -> Created[dict[str, str] | None]:
        """A created resource with its path."""
        return Created(None if empty else {"name": name}, name and f"/thing/{name}")

    async def nothing(self) -> None:
        """No result."""

    async def large(self, size: Annotated[int, Meta(ge=0, le=4_000_000)], letter: str = "x") -> str:
        """A large result."""
        return letter * size

    async def raw(self) -> Raw:
        """JSON with line ends."""
        return Raw(b'{"a":\n [1,\n\n2]}')

    def slow(self, value: int = 0) -> int:
        """A blocking action."""
        return value + 1

    async def request_fields(self, request: Request) -> dict[str, Any]:
        """The request as the action sees it."""
        return {
            "method": request.method, "path": request.path, "query": request.query, "meta": request.meta,
            "timed": request.timeout is not None, "route": request.route_meta,
        }  # fmt: skip

    async def contained(self, container: svcs.Container, name: str = "") -> str:
        """An action with a request container."""
        return f"{name}{type(container).__name__}"

    def add(self, name: str) -> int:
        """Increment a count."""
        return TALLY.add(name)

    def added(self, name: str) -> int:
        """Read a count."""
        return TALLY.counts.get(name, 0)

    def head(self) -> None:
        """A route of its own for HEAD."""

    def options(self) -> dict[str, str]:
        """A route of its own for OPTIONS."""
        return {"own": "options"}


def alone(left: int, right: int = 2) -> int:
    """A function without a controller."""
    return left * right


async def thing(id: int, method: str = "") -> dict[str, Any]:
    """One action for several methods."""
    return {"id": id, "method": method}


VALUES: list[Group | Route] = [
    Group("", Values, [
        GET("/", Values.hello, public=True, title="Says hello"),
        GET("/item/{id:int}", Values.item, public=True, errors=[NotFound], tags=["items"]),
        GET("/kinds/int/{v:int}", Values.integer, public=True),
        GET("/kinds/float/{v:float}", Values.number),
        GET("/kinds/uuid/{v:uuid}", Values.unique),
        GET("/kinds/str/{v}", Values.text),
        GET("/kinds/path/{v:path}", Values.rest),
        GET("/either/{v:int}", Values.integer),
        GET("/either/{v:uuid}", Values.unique),
        GET("/either/{v}", Values.text),
        GET("/either/fixed", Values.hello),
        GET("/either/{v}/more", Values.text),
        POST("/either/fixed/more", Values.hello),
        GET("/refined/{id:int}/{name}", Values.refined),
        GET("/search", Values.search, public=True, description="Has a description of its own."),
        POST("/order", Values.order, deprecated=True),
        POST("/address", Values.address, public=True),
        POST("/echo", Values.echo),
        PUT("/echo", Values.echo, public=True),
        POST("/created", Values.created),
        GET("/nothing", Values.nothing, public=True),
        GET("/large/{size:int}", Values.large, public=True),
        GET("/raw", Values.raw),
        GET("/slow", Values.slow, blocking=True),
        GET("/asked", Values.request_fields, meta={"level": 3}),
        POST("/asked", Values.request_fields, public=True),
        GET("/contained", Values.contained),
        POST("/tally/{name}", Values.add),
        GET("/tally/{name}", Values.added),
        HEAD("/own", Values.head),
        GET("/own", Values.hello),
        OPTIONS("/own", Values.options),
    ]),
    GET("/alone/{left:int}", alone),
    GET("/thing/{id:int}", thing, title="Gets it"),
    POST("/thing/{id:int}", thing),
    PUT("/thing/{id:int}", thing),
    PATCH("/thing/{id:int}", thing),
    DELETE("/thing/{id:int}", thing),
]  # fmt: skip
