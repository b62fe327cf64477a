"""Parameters that are models: each field is a header field, a cookie or a field of the query."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType
from pydantic import BaseModel, ConfigDict, Field, model_validator
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from tests.unit.routing.parameters.asking import Asked, refused
from unixsvc import GET, Check, Cookie, Header, Query
from unixsvc.testing import MemoryHttp


class Sort(Enum):
    """What a list is sorted by."""

    NAME = "name"
    AGE = "age"


class Filters(Struct):
    """Fields of a query."""

    text: str
    limit: Annotated[int, Meta(ge=1, le=100, description="How many")] = 20
    tags: list[str] = []
    sort: Sort = Sort.NAME
    exact: bool = False
    before: str | UnsetType | None = UNSET


class Strict(Struct, forbid_unknown_fields=True, rename="camel"):
    """Fields of a query that has no others."""

    page_size: int = 10


class Tracing(Struct):
    """Header fields."""

    x_token: str
    x_ids: list[int] = []
    user_agent: str | None = None


class Session(Struct, rename={"session_id": "sid"}):
    """Cookies."""

    session_id: str
    theme: str | None


class Search(BaseModel):
    """A query as a model of Pydantic."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field("", max_length=5, description="What to find")
    order: Literal["up", "down"] = "up"
    sort: Sort = Sort.NAME
    tags: list[str] = []
    first: int = Field(0, alias="from")
    last: int | None = None

    @model_validator(mode="after")
    def in_order(self) -> Search:
        """Reject an empty range."""
        if self.last is not None and self.last < self.first:
            raise ValueError("the range is empty")
        return self


@dataclass
class Paging:
    """A query as a dataclass."""

    page: int = 1
    ids: list[int] = field(default_factory=list)


class Named(TypedDict):
    """A query as a dict."""

    name: str


class Checked(Struct):
    """Fields with checks."""

    x_even: Annotated[int, Check(lambda value: value % 2 == 0, message="is odd")]
    x_rate: float = 1.0


class Chosen(Struct, rename={"a_b": "X_Under"}):
    """A field whose name is chosen."""

    a_b: str


class Outer(Struct):
    """A field that is no text."""

    inner: Filters


class OuterModel(BaseModel):
    """The same of Pydantic."""

    inner: Recursive | None = None


class Recursive(BaseModel):
    """A model that contains itself."""

    inner: Recursive | None = None


class Keeping(BaseModel):
    """A model that keeps what it does not know."""

    model_config = ConfigDict(extra="allow")

    text: str = ""


class Twice(Struct, rename={"b": "x-a"}):
    """Two fields that are one header."""

    x_a: str
    b: str


def find(filters: Annotated[Filters, Query()]) -> Filters:
    """All of the query."""
    return filters


def trace(new: Paging, headers: Annotated[Tracing, Header()], cookies: Annotated[Session, Cookie()]) -> Any:
    """A body beside header fields and cookies."""
    return [new.page, headers, cookies]


def search(what: Annotated[Search, Query()]) -> Search:
    """A model of Pydantic."""
    return what


class QueryModelTests(SynchronousTestCase):
    def test_values(self) -> None:
        """Fields have their types and defaults, over both transports."""
        asked = Asked(find, "GET")
        query = "?text=a&limit=5&tags=x&tags=y&sort=age&exact=on&before=b"
        expected = {
            "text": "a", "limit": 5, "tags": ["x", "y"], "sort": "age", "exact": True, "before": "b",
        }  # fmt: skip
        self.assertEqual(asked.ask(query), expected)
        self.assertEqual(asked.call(query=query), expected)
        least = {"text": "a", "limit": 20, "tags": [], "sort": "name", "exact": False}
        self.assertEqual(asked.ask("?text=a&limit=&other=1"), least)

    def test_problems(self) -> None:
        """All problems are reported at once, with the names of the fields."""
        expected = {
            "query.text": "is required",
            "query.limit": "Expected `int` <= 100",
            "query.sort": "Invalid enum value 'x'",
        }
        self.assertEqual(Asked(find, "GET").ask("?limit=101&sort=x"), expected)
        self.assertEqual(Asked(find, "GET").call(query="?limit=101&sort=x"), expected)

    def test_unknown_fields(self) -> None:
        """A struct that forbids unknown fields forbids them in the query, also beside a body."""

        def create(new: Paging, options: Annotated[Strict, Query()]) -> list[int]:
            return [new.page, options.page_size]

        asked = Asked(create)
        self.assertEqual(asked.ask("?pageSize=3", json={"page": 2}), [2, 3])
        self.assertEqual(asked.ask("?page_size=3", json={"page": 2}), {"query.page_size": "is unknown"})

    def test_alone(self) -> None:
        """Such a struct leaves nothing for other parameters of the query, which is found at start."""

        def beside(options: Annotated[Strict, Query()], page: Annotated[int, Query()] = 1) -> None:
            """Two sources."""

        def plain(options: Annotated[Strict, Query()], page: int = 1) -> None:
            """The same, for GET."""

        self.assertIn("'options' takes all of the query, which leaves nothing for 'page'", refused(beside))
        self.assertIn("'options' takes all of the query, and so do the parameters", refused(plain, "GET"))
        self.assertEqual(refused(plain, "POST"), "")

    def test_several(self) -> None:
        """Several models and single parameters share the query."""

        def both(
            filters: Annotated[Filters, Query()],
            paging: Annotated[Paging, Query()],
            q: Annotated[str, Query()],
        ) -> list[Any]:
            return [filters.text, paging.page, paging.ids, q]

        self.assertEqual(Asked(both, "GET").ask("?text=a&ids=1&ids=2&q=b"), ["a", 1, [1, 2], "b"])

    def test_typed_dict(self) -> None:
        """A TypedDict is a model, too."""

        def greet(who: Annotated[Named, Query()]) -> str:
            return who["name"]

        self.assertEqual(Asked(greet, "GET").ask("?name=Ada"), "Ada")
        self.assertEqual(Asked(greet, "GET").ask(), {"query.name": "is required"})

    def test_pydantic(self) -> None:
        """A model of Pydantic applies its aliases, limits, validators and its rule for unknown fields."""
        asked = Asked(search, "GET")
        found = asked.ask("?text=a&order=down&tags=x&from=2&last=3")
        self.assertEqual(
            found,
            {"text": "a", "order": "down", "sort": "name", "tags": ["x"], "from": 2, "last": 3},
        )
        problems = asked.ask("?text=abcdef&from=b&other=1")
        self.assertEqual([*problems], ["query.text", "query.from", "query.other"])
        self.assertEqual(problems["query.other"], "is unknown")
        self.assertEqual(asked.call(query="?from=2&last=1"), {"query": "the range is empty"})

        def keep(what: Annotated[Keeping, Query()]) -> dict[str, Any]:
            return what.model_dump()

        self.assertEqual(Asked(keep, "GET").ask("?a=1&text=b"), {"text": "b", "a": "1"})

    def test_checks(self) -> None:
        """Checks of fields run, and name the field; numbers are finite."""

        def take(them: Annotated[Checked, Header()]) -> int:
            return them.x_even

        asked = Asked(take, "GET")
        self.assertEqual(asked.ask(headers={"X-Even": "2"}), 2)
        self.assertEqual(asked.ask(headers={"X-Even": "3"}), {"header.x-even": "is odd"})
        self.assertEqual(
            asked.ask(headers={"X-Even": "2", "X-Rate": "nan"}), {"header.x-rate": "Expected a finite number"}
        )


class HeaderAndCookieModelTests(SynchronousTestCase):
    def test_values(self) -> None:
        """Names have hyphens in header fields, and are as they are in cookies, over both transports."""
        asked = Asked(trace)
        expected = [
            3,
            {"x_token": "t", "x_ids": [1, 2], "user_agent": "me"},
            {"sid": "s", "theme": None},
        ]
        headers = {"X-Token": "t", "X-Ids": "1, 2", "User-Agent": "me"}
        self.assertEqual(asked.ask(json={"page": 3}, headers=headers, cookies={"sid": "s"}), expected)
        meta = {"x-token": "t", "x-ids": "1, 2", "user-agent": "me", "cookie": "sid=s"}
        self.assertEqual(asked.outcome({"page": 3}, "", meta), expected)

    def test_problems(self) -> None:
        """Problems have the names that clients write, once for each field."""
        asked = Asked(trace)
        self.assertEqual(
            asked.call({"page": "a"}, x_ids="1,b"),
            {
                "page": "Expected `int`, got `str`",
                "header.x-token": "is required",
                "header.x-ids[1]": "Expected `int`, got `str`",
                "cookie.sid": "is required",
            },
        )

    def test_twice(self) -> None:
        """A field that occurs twice is a problem beside those of other fields."""

        def take(them: Annotated[Tracing, Header()]) -> None:
            """Header fields."""

        client = RawClient(GatewayHarness(GET("/", take, public=True)).site)
        lines = b"Host: a\r\nX-Token: 1\r\nX-Token: 2\r\nX-Ids: c\r\n\r\n"
        client.channel.dataReceived(b"GET / HTTP/1.1\r\n" + lines)
        received = client.received()
        self.assertIn(b'{"field":"header.x-token","message":"occurs more than once"}', received)
        self.assertIn(b'{"field":"header.x-ids[0]","message":"Expected `int`, got `str`"}', received)
        self.assertNotIn(b"is required", received)

    def test_names(self) -> None:
        """A name that the struct has chosen is kept, except for its case."""

        def take(them: Annotated[Chosen, Header()]) -> str:
            return them.a_b

        self.assertEqual(Asked(take, "GET").call(x_under="no"), {"header.x_under": "is required"})
        self.assertEqual(Asked(take, "GET").outcome({}, "", {"x_under": "yes"}), "yes")


class RefusedModelTests(SynchronousTestCase):
    def test_unknown_fields(self) -> None:
        """Requests always have other headers and cookies, so a model cannot forbid or keep them."""

        def strict(them: Annotated[Strict, Header()]) -> None:
            """A struct."""

        def model(them: Annotated[Keeping, Cookie()]) -> None:
            """A model."""

        for action in (strict, model):
            self.assertIn("'them' forbids or keeps unknown fields", refused(action))

    def test_objects(self) -> None:
        """A field of a model is a text; the message names it, also inside of lists and models."""

        def struct(it: Annotated[Outer, Header()]) -> None:
            """A struct in a struct."""

        def model(it: Annotated[OuterModel, Header()]) -> None:
            """A model in a model."""

        def items(it: Annotated[list[Search], Query()]) -> None:
            """A list of models."""

        self.assertIn("header.inner is an object", refused(struct))
        self.assertIn("header.inner is an object", refused(model))
        self.assertIn("query.it is an object", refused(items))

    def test_options(self) -> None:
        """A model has no name, no default and no other type beside it; no name is twice."""

        def named(it: Annotated[Filters, Query("f")]) -> None:
            """A name."""

        def default(it: Annotated[Paging, Query()] = Paging()) -> None:  # noqa: B008 - what is refused
            """A default."""

        def optional(it: Annotated[Paging | None, Query()] = None) -> None:
            """Not always a model."""

        def same(it: Annotated[Twice, Header()]) -> None:
            """Two fields of one name."""

        def twice(it: Annotated[Paging, Query()], page: Annotated[int, Query()] = 1) -> None:
            """A field that is another parameter."""

        self.assertIn("Query() of 'it' has arguments", refused(named))
        self.assertIn("'it' is a model and has a default", refused(default))
        self.assertIn("query.it is an object", refused(optional))
        self.assertIn("two fields of 'it' are the same header 'x-a'", refused(same))
        self.assertIn("'it' and 'page' are the same query 'page'", refused(twice))


class ModelContractTests(SynchronousTestCase):
    def test_struct(self) -> None:
        """Each field is a parameter, with its type, its default and whether it is required."""
        route = Asked(find, "GET").contract()
        self.assertIsNone(route["data"])
        parameters = {each["name"]: each for each in route["parameters"]}
        self.assertEqual([*parameters], ["text", "limit", "tags", "sort", "exact", "before"])
        self.assertEqual({each["place"] for each in route["parameters"]}, {"query"})
        self.assertEqual([name for name, each in parameters.items() if each["required"]], ["text"])
        limit = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20, "description": "How many"}
        self.assertEqual(parameters["limit"]["schema"], limit)
        tags = {"type": "array", "items": {"type": "string"}, "default": []}
        self.assertEqual(parameters["tags"]["schema"], tags)

    def test_pydantic(self) -> None:
        """The schemas of a model's fields are those that the model makes, without references."""
        parameters = {each["name"]: each for each in Asked(search, "GET").contract()["parameters"]}
        self.assertEqual([*parameters], ["text", "order", "sort", "tags", "from", "last"])
        text = {
            "type": "string", "maxLength": 5, "default": "", "title": "Text", "description": "What to find",
        }  # fmt: skip
        self.assertEqual(parameters["text"]["schema"], text)
        self.assertEqual(parameters["sort"]["schema"]["enum"], ["name", "age"])
        self.assertNotIn("$ref", str(parameters))

    def test_places(self) -> None:
        """Header fields and cookies keep their names; OpenAPI has each as a parameter."""
        asked = Asked(trace)
        found = [(each["place"], each["name"], each["required"]) for each in asked.contract()["parameters"]]
        expected = [
            ("header", "x-token", True), ("header", "x-ids", False), ("header", "user-agent", False),
            ("cookie", "sid", True), ("cookie", "theme", False),
        ]  # fmt: skip
        self.assertEqual(found, expected)
        document = MemoryHttp(asked.app).get("/openapi.json").wait().json()
        [operation] = document["paths"]["/"].values()
        own = [each for each in operation["parameters"] if "in" in each]
        listed = [(each["in"], each["name"], each["required"]) for each in own]
        self.assertEqual(listed, expected)
