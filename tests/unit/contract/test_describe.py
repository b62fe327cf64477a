"""The contract of a service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.contract.model import Contract, ErrorContract, RouteContract, referenced_schema
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError, Conflict, NotFound, ServiceError
from unixsvc.routing.route import GET, POST


class Product(Struct):
    """Something to sell."""

    id: int
    name: Annotated[str, Meta(max_length=80)] = ""


class NoSuchProduct(NotFound):
    """No product has this id.

    :param id: the requested id.
    """


class Sold(Conflict):
    """It is sold to
    another customer.
    """  # noqa: D205 - a paragraph may have several lines


def show(id: int, request: Request, limit: Annotated[int, Meta(ge=1)] = 20) -> Product:
    """Show."""
    return Product(id)


def create(new: Product) -> Product:
    """Create."""
    return new


def by_number(limit: int) -> None:
    """Take a number."""


def by_name(limit: str) -> list[Product]:
    """Take a name."""
    return []


def nothing() -> None:
    """Take nothing."""


async def products() -> AsyncIterator[Product]:
    """A stream."""
    yield Product(1)


async def products_generated() -> AsyncGenerator[Product, None]:
    """A stream."""
    yield Product(1)


async def products_iterable() -> AsyncIterable[Product]:
    """A stream."""
    yield Product(1)


async def products_annotated() -> Annotated[AsyncIterator[Product], "all"]:
    """A stream."""
    yield Product(1)


_COLOURS = frozenset({"red", "green", "blue", "cyan", "pink", "grey"})
_SORTED = sorted(_COLOURS)


class Inside(Struct, frozen=True):
    """Has a set as a default."""

    colours: frozenset[str] = _COLOURS
    order: tuple[str, ...] = ("c", "a", "b")
    by_name: dict[str, frozenset[str]] = {}


_INSIDE = Inside(by_name={"x": _COLOURS})


def choose(
    plain: frozenset[str] = _COLOURS,
    maybe: frozenset[str] | None = _COLOURS,
    numbers: frozenset[int] = frozenset({9, 10, 2}),
    mixed: frozenset[int | str] = frozenset({"a", 1}),
    inside: Inside | None = _INSIDE,
    lists: tuple[frozenset[str], ...] = (_COLOURS,),
    pair: tuple[frozenset[str], int] = (_COLOURS, 1),
    order: tuple[str, ...] = ("c", "a", "b"),
) -> None:
    """Take sets."""


def sets() -> Contract:
    """The contract of an application that is full of sets."""
    return Serving(GET("/", choose, meta={"kinds": _COLOURS})).router.contract()


def resolve(contract: Contract, schema: Any) -> Any:
    """What a schema refers to."""
    return contract.schemas[referenced_schema(schema)]


class Thing(Struct):
    """A thing.

    It is one of many.

    :ivar id: secret.
    """

    id: int


def give() -> Thing:
    """Give a thing.

    :raises KeyError: never.
    """
    return Thing(7)


class ContractTests(SynchronousTestCase):
    """Contracts."""

    def own_routes(self, serving: Serving) -> tuple[Contract, list[RouteContract]]:
        """The contract and the routes of the application."""
        contract = serving.router.contract()
        return contract, contract.application_routes

    def test_route(self) -> None:
        """A route has its options and the schemas of its arguments and result."""
        route = GET("/{id:int}", show, public=True, title="One", description="Of many", meta={"a": 1})
        contract, [found] = self.own_routes(Serving(route))
        fields = msgspec.structs.asdict(found)
        data, result = fields.pop("data"), fields.pop("result")
        self.assertEqual(
            fields,
            {
                "method": "GET", "path": "/{id:int}", "title": "One", "description": "Of many",
                "public": True, "meta": {"a": 1}, "stream": False, "created": False,
                "deprecated": False, "tags": [], "errors": [],
                "path_arguments": {"id": {"type": "integer"}},
                "parameters": [], "body": None, "response": None, "http_only": False,
                "security": None, "sunset": "", "websocket": None,
            },
        )  # fmt: skip
        properties = resolve(contract, data)["properties"]
        self.assertEqual(properties, {"limit": {"type": "integer", "minimum": 1, "default": 20}})
        self.assertEqual(resolve(contract, result)["properties"]["name"]["maxLength"], 80)

    def test_docstrings(self) -> None:
        """Docstrings are descriptions, without their fields and directives."""
        contract = Serving(GET("/thing", give)).router.contract()
        self.assertEqual(contract.schemas["Thing"]["description"], "A thing.\n\nIt is one of many.")
        self.assertEqual(contract.routes[0].description, "Give a thing.")

    def test_errors(self) -> None:
        """Declared errors are sorted by code and described by the first paragraph of their docstrings."""
        route = GET("/", nothing, errors=[Sold, NoSuchProduct, Conflict], tags=["a", "b"], deprecated=True)
        _, [found] = self.own_routes(Serving(route))
        self.assertEqual((found.tags, found.deprecated), (["a", "b"], True))
        missing = ErrorContract(404, "Not found", "No product has this id.")
        sold = ErrorContract(409, "Conflict", "It is sold to another customer.")
        self.assertEqual(found.errors[:2], [missing, sold])
        self.assertEqual([each.code for each in found.errors], [404, 409, 409])

    def test_no_errors(self) -> None:
        """A declared error that is not a ServiceError is an error at start that names the route."""
        wrong: Any
        for wrong in (ValueError, "404", type("Odd", (ServiceError,), {"code": 200})):
            found = self.assertRaises(ConfigError, Serving, GET("/x", nothing, errors=[wrong]))
            self.assertIn("GET /x", str(found))

    def test_stream(self) -> None:
        """A stream is marked; its result is the schema of an item, for each stream annotation."""
        for each in (products, products_generated, products_iterable, products_annotated):
            contract, [found] = self.own_routes(Serving(GET("/", each)))
            self.assertIs(found.stream, True)
            self.assertIn("name", resolve(contract, found.result)["properties"])

    def test_service(self) -> None:
        """The contract has the title and the version of the application, and the built-in routes."""
        contract = Serving().router.contract()
        self.assertEqual((contract.title, contract.version), ("Shop", "1.0"))
        paths = [each.path for each in contract.routes]
        self.assertEqual(paths, ["/-/ping", "/-/live", "/-/ready", "/-/health", "/-/routes", "/-/stats"])

    def test_nothing_taken(self) -> None:
        """An action without data has ``data`` None; one without a result has the result null."""
        _, [found] = self.own_routes(Serving(GET("/", nothing)))
        self.assertEqual((found.path_arguments, found.data), ({}, None))
        self.assertEqual(found.result, {"type": "null"})

    def test_shared(self) -> None:
        """A struct of several routes has one schema."""
        contract, [one, two] = self.own_routes(Serving(POST("/a", create), POST("/b", create)))
        self.assertEqual((one.data, one.result), (two.data, two.result))
        self.assertEqual(list(contract.schemas), ["Product"])

    def test_arguments_of_the_same_names(self) -> None:
        """Parameters of one name in different routes have different schemas, also if paths are similar."""
        paths = ["/a/b", "/a-b", "/a.b", "/a_b", "/a b", "/a/b/", "/ab", "/é", "/a_2f_b"]
        routes = []
        for number, path in enumerate(paths):
            routes.append(GET(path, by_name if number % 2 else by_number))
            routes.append(POST(path, by_number if number % 2 else by_name))
        contract, found = self.own_routes(Serving(*routes))
        self.assertEqual(len({each.data["$ref"] for each in found}), len(routes))
        for route, each in zip(routes, found, strict=True):
            kind = "integer" if route.action is by_number else "string"
            limit = resolve(contract, each.data)["properties"]["limit"]
            self.assertEqual((each.method, each.path, limit), (route.method, route.pattern, {"type": kind}))

    def test_names(self) -> None:
        """The names of schemas are valid in OpenAPI."""
        contract, _ = self.own_routes(Serving(GET("/{id:int}/é%20 x", show), POST("/", create)))
        for name in contract.schemas:
            self.assertRegex(name, r"^[a-zA-Z0-9._-]+$")

    def test_stable(self) -> None:
        """The bytes are the same in each process, although sets have another order in each."""
        program = (
            "import msgspec, tests.unit.contract.test_describe as it; print(msgspec.json.encode(it.sets()))"
        )
        found = set()
        for seed in range(1, 6):
            environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(sys.path)}
            done = subprocess.run(
                [sys.executable, "-c", program], env=environment, capture_output=True, check=True, timeout=60
            )
            found.add(done.stdout)
        self.assertEqual(len(found), 1)

    def test_sets(self) -> None:
        """Sets in defaults and in meta are sorted at each depth; lists keep their order."""
        contract = sets()
        [route] = [each for each in contract.routes if each.path == "/"]
        self.assertEqual(route.meta, {"kinds": _SORTED})
        fields = resolve(contract, route.data)["properties"]
        defaults = {name: each["default"] for name, each in fields.items()}
        self.assertEqual(
            defaults,
            {
                "plain": _SORTED, "maybe": _SORTED, "numbers": [2, 9, 10], "mixed": ["a", 1],
                "inside": {"colours": _SORTED, "order": ["c", "a", "b"], "by_name": {"x": _SORTED}},
                "lists": [_SORTED], "pair": [_SORTED, 1], "order": ["c", "a", "b"],
            },
        )  # fmt: skip
        inside = contract.schemas["Inside"]["properties"]
        self.assertEqual(inside["colours"]["default"], _SORTED)

    def test_is_json(self) -> None:
        """A contract that was sent is equal to the original."""
        contract = Serving(GET("/{id:int}", show)).router.contract()
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(contract), type=Contract), contract)
