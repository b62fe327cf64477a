"""Models of Pydantic as bodies, queries and results."""

from __future__ import annotations

import warnings
from typing import Any, Generic, TypeVar, cast

import pydantic
from msgspec import Raw, Struct
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.domain.message import Caller, Created, Request
from unixsvc.domain.validation.pydantic_models import ModelFailure
from unixsvc.errors import ConfigError, Invalid, Malformed
from unixsvc.routing.route import GET, POST

T = TypeVar("T")


class New(BaseModel):
    """A body."""

    name: str = Field(min_length=1, alias="title")
    price: float = 1.0
    tags: list[int] = []

    @field_validator("price")
    @classmethod
    def check(cls, value: float) -> float:
        """Reject some prices, and fail for another."""
        if value == 13:
            raise TypeError("the password is sesame")
        if value < 0:
            raise ValueError("must be above 0")
        return value


class Stored(New):
    """The same with a field that must not leave the service."""

    secret: str = "sesame"


class Strict(BaseModel):
    """Accepts no field but its own, and no text for a number."""

    model_config = ConfigDict(strict=True, extra="forbid")
    number: int


class Page(BaseModel, Generic[T]):
    """A generic model."""

    items: list[T]


class Names(RootModel[list[str]]):
    """A list."""


class Box(Struct):
    """A struct with models."""

    items: list[New]
    best: New | None = None


@pydantic.dataclasses.dataclass
class Old:
    """A dataclass with validators."""

    number: int


def create(new: New) -> New:
    """Return more than is declared."""
    return Stored(**new.model_dump(by_alias=True))


def box(box: Box) -> Box:
    """Return a struct with models."""
    return box


def search(what: New) -> list[New]:
    """Take a query."""
    return [what]


def parts(several: list[New], number: int, others: dict[str, New] | None = None) -> dict[str, New]:
    """Take models beside other fields."""
    return {"first": several[0], **(others or {})}


def page() -> Page[New]:
    """Return a generic model."""
    return Page[New](items=[New(title="a")])


def made(new: Strict) -> Created[Strict]:
    """Create something."""
    return Created(new, "/7")


def wrong() -> New:
    """Return another type than is declared."""
    return cast(New, {"title": "a"})


def untyped() -> dict[str, Any]:
    """Return a model where the annotation names none."""
    return {"new": Stored(title="a")}


def names() -> Names:
    """Return a list."""
    return Names(["a"])


def old(old: Old) -> None:
    """Take a dataclass."""


class _Other:
    class Box(BaseModel):
        """A model with the name of a struct."""

        what: str


def both(model: _Other.Box) -> list[Box]:
    """Use both."""
    return []


class ModelTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a service."""
        self.serving = Serving(
            POST("/create", create),
            POST("/box", box),
            GET("/search", search),
            POST("/parts", parts),
            GET("/page", page),
            POST("/made", made),
            GET("/wrong", wrong),
            GET("/untyped", untyped),
            GET("/names", names),
        )

    def ask(self, method: str, path: str, data: Any = None) -> Any:
        """The result of an action."""
        return self.successResultOf(self.serving.start(method, path, data=data))[1]

    def problems(self, method: str, path: str, data: Any = None) -> list[tuple[str, str]]:
        """The problems of a request, each a field and a message."""
        error: Any = self.failureResultOf(self.serving.start(method, path, data=data), Invalid).value
        return [(each["field"], each["message"]) for each in error.detail]

    def test_declared(self) -> None:
        """Only the fields of the declared class are sent, in lists and dicts, too."""
        self.assertEqual(
            self.ask("POST", "/create", {"title": "a"}), {"title": "a", "price": 1.0, "tags": []}
        )

    def test_inside(self) -> None:
        """Models may be inside of structs and beside other fields."""
        new = {"title": "a", "price": 2.0, "tags": [1]}
        self.assertEqual(self.ask("POST", "/box", {"items": [new]}), {"items": [new], "best": None})
        data = {"several": [new], "number": 1, "others": {"b": new}}
        self.assertEqual(self.ask("POST", "/parts", data), {"first": new, "b": new})

    def test_others(self) -> None:
        """Generic models, root models, created ones, and those without an annotation are encoded, too."""
        self.assertEqual(self.ask("GET", "/page"), {"items": [{"title": "a", "price": 1.0, "tags": []}]})
        self.assertEqual(self.ask("GET", "/names"), ["a"])
        self.assertEqual(self.ask("POST", "/made", {"number": 1}), {"number": 1})
        self.assertEqual(self.ask("GET", "/untyped")["new"]["secret"], "sesame")

    def test_query(self) -> None:
        """The fields of a query are those of the model, also lists; texts stand for numbers."""
        self.assertEqual(
            self.ask("GET", "/search?title=a&tags=1&tags=2&price=3"),
            [{"title": "a", "price": 3.0, "tags": [1, 2]}],
        )
        self.assertEqual([field for field, _ in self.problems("GET", "/search?tags=x")], ["title", "tags[0]"])

    def test_problems(self) -> None:
        """All problems are reported, in the words of other types where they mean the same."""
        self.assertEqual(
            self.problems("POST", "/create", {"price": -1, "tags": [1, "x"]}),
            [
                ("title", "is required"),
                ("price", "must be above 0"),
                ("tags[1]", "Input should be a valid integer, unable to parse string as an integer"),
            ],
        )
        self.assertEqual(
            self.problems("POST", "/box", {"items": [{"title": "a"}, {"title": ""}], "best": 3}),
            [
                ("items[1].title", "String should have at least 1 character"),
                ("best", "Input should be an object"),
            ],
        )
        self.assertEqual(
            self.problems("POST", "/made", {"number": "1", "more": 1}),
            [("number", "Input should be a valid integer"), ("more", "is unknown")],
        )

    def test_not_json(self) -> None:
        """Data that is not JSON is malformed, as with other types."""
        request = Request("POST", "/create", Raw(b'{"title":"\xff"}'), caller=Caller(trusted=True))
        with self.assertRaises(Malformed):
            self.serving.router.dispatch(request)

    def test_failure(self) -> None:
        """A validator that fails is a failure of the action, and the peer does not learn why."""
        failing = {"title": "a", "price": 13}
        self.failureResultOf(self.serving.start("POST", "/create", data=failing), ModelFailure)
        self.failureResultOf(self.serving.start("POST", "/box", data={"items": [failing]}), ModelFailure)

    def test_wrong_result(self) -> None:
        """A result that is not of the declared type is a failure."""
        with warnings.catch_warnings():
            failure = self.failureResultOf(self.serving.start("GET", "/wrong"))
        self.assertNotIsInstance(failure.value, Invalid)

    def test_contract(self) -> None:
        """The contract has the schemas of the models, which routes refer to."""
        contract = self.serving.router.contract()
        self.assertEqual(contract.schemas["New"]["required"], ["title"])
        self.assertEqual(contract.schemas["Box"]["properties"]["items"]["items"], {"$ref": "#/schemas/New"})
        [route] = [each for each in contract.routes if each.path == "/page"]
        self.assertEqual(route.result, {"$ref": "#/schemas/Page_New_"})

    def test_same_name(self) -> None:
        """A model and a struct with the same name have different schemas."""
        contract = Serving(POST("/", both)).router.contract()
        [route] = contract.application_routes
        self.assertEqual(route.data, {"$ref": "#/schemas/Box_2"})
        self.assertIn("what", contract.schemas["Box_2"]["properties"])
        self.assertIn("items", contract.schemas["Box"]["properties"])

    def test_dataclass(self) -> None:
        """A dataclass of Pydantic is refused, as its validators would not be called."""
        with self.assertRaises(ConfigError):
            Serving(POST("/", old))
