"""An application with all that a contract can express, and helpers for its OpenAPI document."""

from __future__ import annotations

import enum
import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct
from openapi_spec_validator import OpenAPIV31SpecValidator
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.unit.routing.serving import Serving
from unixsvc.contract.model import Contract
from unixsvc.datasource.service_clients import NoServices
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.message import Created, Request
from unixsvc.errors import Conflict, NotFound, RateLimited
from unixsvc.rest.openapi.document import describe
from unixsvc.routing.pattern import PATH_TYPES
from unixsvc.routing.route import DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, Group, Route

__all__ = ["ROUTES", "contract_of", "document_of", "operation_of", "operations_in", "taking", "validate"]


class Colour(enum.Enum):
    """Of what is sold."""

    RED = "red"
    BLUE = "blue"


class Circle(Struct, tag=1):
    radius: float


class Square(Struct, tag=2):
    side: float


class Point(Struct, array_like=True):
    x: float
    y: float = 0.0


class Part(Struct):
    """Is made of others."""

    name: str
    parts: list[Part] = []
    parent: Part | None = None


class Thing(Struct, rename="camel", forbid_unknown_fields=True):
    """Has a field of each kind."""

    made_at: datetime
    id: UUID
    price: Annotated[Decimal, Meta(description="In euros.", examples=["1.50"])]
    shape: Circle | Square
    colour: Colour = Colour.RED
    size: Literal["S", "M", 1] = "M"
    picture: bytes = b""
    tags: frozenset[str] = frozenset({"b", "a"})
    where: Point | None = None
    links: Annotated[dict[str, str], Meta(examples=[{"$ref": "#/schemas/Thing"}])] = {}
    pair: tuple[int, str] = (1, "a")
    parts: list[Part] = []


class Filter(Struct):
    """What is looked for."""

    name: str = ""
    colours: list[Colour] = []
    limit: Annotated[int, Meta(ge=1, le=100, description="At most so many.")] = 20


class Nested(Struct):
    part: Part
    deep: bool = False


class Maybe(Struct):
    part: Part | None = None
    deep: bool = False


class NoSuchThing(NotFound):
    """Nothing has this id.

    :param id: the requested id.
    """


class Sold(Conflict):
    """It is sold to
    another customer.

    It cannot be bought.
    """  # noqa: D205 - a paragraph may have several lines


def nothing() -> None:
    """Take nothing and give nothing."""


def index(filter: Filter) -> list[Thing]:
    """Find some."""
    return []


def show(id: int, request: Request, full: bool = False) -> Thing | None:
    """Find one."""
    return None


def anything(id: UUID) -> Any:
    """Give anything."""


def named(name: str, rest: str) -> str:
    """Take any text."""
    return name


def refined(id: Annotated[int, Meta(ge=1)], number: float) -> int:
    """Take some numbers."""
    return id


def create(new: Thing) -> Created[Thing]:
    """Make one."""
    return Created(new, "/thing/1")


def create_flat(name: str, count: int | None = None, tags: list[str] = []) -> Created[None]:
    """Make one of text."""
    return Created(None)


def change(id: int, maybe: Maybe) -> Thing:
    """Change one."""
    raise NoSuchThing


def needs_body(nested: Nested) -> int:
    """Take what no query can say."""
    return 1


def needs_none(maybe: Maybe) -> int:
    """Take what a query can leave out."""
    return 1


async def prices(id: int, currency: str = "EUR") -> AsyncIterator[Thing]:
    """Give them as they come."""
    for _ in ():
        yield _


ROUTES: list[Group | Route] = [
    Group("/thing", None, [
        GET("", index, public=True, title="Some things", description="By *name*."),
        POST("", create, errors=[Sold, RateLimited]),
        POST("/flat", create_flat, shield=True),
        GET("/{id:int}", show, errors=[NoSuchThing]),
        PUT("/{id:int}", change, errors=[NoSuchThing, Sold], deprecated=True),
        PATCH("/{id:int}", change, tags=["old", "thing"]),
        DELETE("/{id:int}", show),
        GET("/{id:int}/prices", prices),
        POST("/{id:int}/prices", prices),
        HEAD("/{id:int}", show),
    ]),
    GET("/any/{id:uuid}", anything),
    GET("/any/{name}/{rest:path}", named),
    GET("/refined/{id:int}/{number:float}", refined),
    GET("/body", needs_body),
    DELETE("/body", needs_none),
    OPTIONS("/body", nothing),
    Route("PURGE", "/body", nothing),
    GET("/", nothing, public=True),
    GET("/a b/é/{id:int}/", show),
    GET("/{id:int}", show),
]  # fmt: skip


def taking(segments: list[str]) -> Any:
    """An action that takes the variables of a path."""
    variables = [each.strip("{}").split(":") for each in segments if each.startswith("{")]

    def action(**values: Any) -> None: ...

    hints = {name: PATH_TYPES[kind].type for name, kind in variables}
    action.__annotations__ = {**hints, "return": None}
    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in hints]
    action.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return action


def document_of(*routes: Group | Route, policy: str = "private") -> dict[str, Any]:
    """The document of an application with these routes."""
    return describe([contract_of(*routes)], token=policy)


def operation_of(route: Route, policy: str = "private", *, mounted: bool = False) -> dict[str, Any]:
    """The operation of a route."""
    contracts = [contract_of(), contract_of(route)] if mounted else [contract_of(route)]
    document = describe(contracts, token=policy)
    return next(each for path, _, each in operations_in(document) if not path.startswith("/-/"))


def contract_of(*routes: Group | Route) -> Contract:
    """The contract of an application with these routes."""
    values: dict[Any, Any] = {IReactorTime: Clock(), IServices: NoServices()}
    return Serving(*routes, values=values).router.contract()


def operations_in(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each path, method and operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "x-additionalOperations":
                yield from ((path, name, each) for name, each in operation.items())
            else:
                yield path, method.upper(), operation


def references_in(value: Any) -> Iterator[str]:
    """All references, and the targets of discriminators."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref" and isinstance(each, str):
                yield each
            elif name == "mapping":
                yield from each.values()
            elif name not in ("default", "examples"):
                yield from references_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from references_in(each)


def validate(document: dict[str, Any]) -> None:
    """Validate the document with a third-party validator, and resolve its references."""
    OpenAPIV31SpecValidator(document).validate()
    for reference in references_in(document):
        found: Any = document
        assert reference.startswith("#/components/"), reference
        for each in reference.removeprefix("#/").split("/"):
            found = found[each]
