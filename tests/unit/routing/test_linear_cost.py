"""The cost of a message grows no faster than its length, whatever a peer puts into it."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tests.unit.orchestrator.test_control import FakeOrchestrator
from tests.unit.routing.serving import Serving
from tests.unit.support.linear_cost import PATTERNS, LinearCostTestCase
from tests.unit.support.memory_connection import ServerConnection
from unixsvc.config.settings import Limits, Security
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.orchestrator.control import control_app
from unixsvc.routing.app import App
from unixsvc.routing.checks import Check
from unixsvc.routing.route import GET, POST
from unixsvc.security.tokens import TokenGuard
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics

# A few errors, each with a field and a message of at most 300 characters, which JSON may escape.
_LONGEST_REPLY = 4000


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class Cat(Struct, tag=True):
    """A member of a union."""

    lives: int = 9


class Dog(Struct, tag=True, forbid_unknown_fields=True):
    """A member of a union."""

    friends: list[Cat | Dog] = []


class Everything(Struct):
    """Fields of many types."""

    level: Literal["debug", "info"] = "info"
    colour: Colour = Colour.RED
    name: Annotated[str, Meta(max_length=10)] = ""
    word: Annotated[str, Meta(pattern="^[a-z]+$", max_length=100)] = "a"
    number: int = 0
    real: float = 0
    price: decimal.Decimal = decimal.Decimal()
    id: uuid.UUID = uuid.UUID(int=0)
    when: datetime.datetime | None = None
    day: datetime.date | None = None
    lasting: datetime.timedelta = datetime.timedelta()
    data: bytes = b""
    iban: Annotated[str, Check(str.isspace, message="{value} is no IBAN")] = " "
    pet: Cat | Dog | None = None
    numbers: list[int] = []
    pairs: dict[int, tuple[int, str]] = {}


def everything(all: Everything) -> int:
    """Takes a struct."""
    return 1


def fields(level: Literal["a", "b"], limit: int = 0, tags: tuple[Colour, ...] = (), price: float = 0) -> int:
    """Takes fields."""
    return 1


def show(id: int, name: Literal["a", "b"]) -> int:
    """Takes parts of the path."""
    return 1


def convert(real: float, id: uuid.UUID, rest: decimal.Decimal) -> int:
    """Takes parts of the path that are converted."""
    return 1


SAMPLE = App([
    POST("/everything", everything, public=True),
    GET("/fields", fields, public=True),
    GET("/items/{id:int}/{name}", show, public=True),
    GET("/items/{real:float}/{id:uuid}/{rest:path}", convert, public=True),
])  # fmt: skip


def nested(depth: int) -> Any:
    """A value that is wrong at its end."""
    value: Any = {"type": "Cat", "lives": "x"}
    for _ in range(depth):
        value = {"type": "Dog", "friends": [value]}
    return value


def inputs(contract: Any) -> Iterator[tuple[str, Any]]:
    """For each place in a message its name, and the function that makes the message from a text."""
    routes = [route for route in contract["routes"] if not route["path"].startswith("/-/")]
    for route in routes:
        path, schema = route["path"], route["data"] or {}
        if "$ref" in schema:
            schema = contract["schemas"][schema["$ref"].rpartition("/")[2]]
        base = {"method": route["method"], "path": path}
        for name in [*schema.get("properties", {}), "unknown"]:
            where = f"{name} of {path}"
            yield where, lambda text, base=base, name=name: base | {"data": {name: text}}
            yield f"[{where}]", lambda text, base=base, name=name: base | {"data": {name: [text, {}, text]}}
            yield f"{{{where}}}", lambda text, base=base, name=name: base | {"data": {name: {text: text}}}
            yield (
                f"?{where}",
                lambda text, path=path, base=base, name=name: base | {"path": f"{path}?{name}={text}"},
            )
        for segment in path.split("/"):
            if segment.startswith("{"):
                whole = (
                    path.replace("{id:int}", "1").replace("{real:float}", "1")
                    if segment != "{id:int}"
                    else path
                )
                yield (
                    f"{segment} of {path}",
                    lambda text, whole=whole, segment=segment, base=base: (
                        base | {"path": whole.replace(segment, text)}
                    ),
                )
    yield "the method", lambda text: {"path": "/-/ping", "method": text}
    for name in "path", "auth_token", "timeout", "credit", "data":
        yield f"the field {name}", lambda text, name=name: {"path": "/-/ping", name: text}
    yield "friends of friends", lambda text: {
        "method": "POST", "path": "/everything", "data": {"pet": nested(len(text) // 64), "name": text}
    }  # fmt: skip
    yield "the path", lambda text: {"path": f"/{text}"}
    yield "meta", lambda text: {"path": "/-/ping", "meta": {"a": text, text: "a", "request_id": text}}
    yield "a field of the message", lambda text: {"path": 7, text: text}


class MessageTests(LinearCostTestCase):
    """Messages on a socket."""

    def sweep(self, app: App) -> None:
        """No pattern costs more than its length at any place of any route, and no reply repeats all of it."""
        router = Serving(*app.routes, container=app.container).router
        handle_message = HandleMessage(
            RouterRepository(LibraryDatasource(router)),
            TokenGuard("off", "shop", "0" * 64),
            ServiceMetrics(),
            FailureLog("shop"),
            max_inflight=100,
            request_timeout=30.0,
        )
        server = ServerConnection(Limits(), Security(), handle_message)
        contract = msgspec.to_builtins(router.contract())
        for where, message in inputs(contract):
            for pattern in PATTERNS:

                def handle(text: str, message: Any = message, where: str = where) -> None:
                    transport, connection = server.connect_another()
                    connection.dataReceived(msgspec.json.encode(message(text)) + b"\n")
                    reply = transport.value()
                    connection.connectionLost()
                    self.assertTrue(reply, where)
                    self.assertNotIn(b'"code":503', reply, where)
                    self.assertLess(len(reply), _LONGEST_REPLY, where)

                self.assert_linear(handle, pattern, where)

    def test_sample(self) -> None:
        """Routes with parameters of many types, in the path, in the data and in a query."""
        self.sweep(SAMPLE)

    def test_control_api(self) -> None:
        """The control API."""
        self.sweep(control_app(FakeOrchestrator()))
