"""OpenAPI parameters and bodies of actions that take more than their data."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.openapi.openapi_helpers import operation_of
from unixsvc import Body, ClientInfo, Cookie, Form, Header, Query
from unixsvc.routing.route import DELETE, GET, POST


class Login(Struct):
    """A form."""

    name: str


class Tagged(Struct):
    """A form with lists."""

    name: str
    tags: list[str]
    roles: list[int] | None = None


def everything(
    item: Login,
    x_tenant: Annotated[str, Header(description="Who", examples=["acme"])],
    session: Annotated[str | None, Cookie()],
    page: Annotated[int, Query(), Meta(ge=1, description="Which")] = 1,
    ids: Annotated[list[int], Header("X-Ids")] = [],
    *,
    client: ClientInfo,
) -> None:
    """Take all of them."""


class ParameterTests(SynchronousTestCase):
    def test_places(self) -> None:
        """Each parameter has its place, schema, default, description and examples, beside the body."""
        operation = operation_of(POST("/", everything))
        found = {each["name"]: each for each in operation["parameters"] if "name" in each}
        self.assertEqual(
            found["x-tenant"],
            {
                "name": "x-tenant", "in": "header", "required": True, "description": "Who",
                "schema": {"type": "string", "examples": ["acme"]},
            },
        )  # fmt: skip
        self.assertEqual((found["session"]["in"], found["session"]["required"]), ("cookie", False))
        self.assertEqual(
            found["page"]["schema"], {"type": "integer", "format": "int64", "minimum": 1, "default": 1}
        )
        self.assertEqual(found["page"]["description"], "Which")
        self.assertEqual(found["x-ids"]["schema"]["items"]["type"], "integer")
        self.assertEqual(len(found), 4)
        self.assertIn("application/json", operation["requestBody"]["content"])

    def test_ignored(self) -> None:
        """Headers that OpenAPI has other fields for are not parameters."""

        def action(authorization: Annotated[str, Header()], accept: Annotated[str, Header()]) -> None: ...

        parameters = operation_of(GET("/", action))["parameters"]
        self.assertEqual([each for each in parameters if "name" in each], [])

    def test_own(self) -> None:
        """A header of the gateway that the action has as a parameter is described once."""

        def action(if_none_match: Annotated[str, Header()]) -> int:
            return 0

        parameters = operation_of(GET("/", action))["parameters"]
        self.assertEqual([each for each in parameters if "If-None-Match" in str(each.values())], [])

    def test_errors(self) -> None:
        """A parameter can be invalid: 422."""

        def action(x_a: Annotated[int, Header()] = 0) -> None: ...

        self.assertIn("422", operation_of(GET("/", action))["responses"])


class BodyTests(SynchronousTestCase):
    def body(self, action: Any, method: Any = POST) -> dict[str, Any]:
        """The request body."""
        found: dict[str, Any] = operation_of(method("/", action))["requestBody"]
        return found

    def test_any_json(self) -> None:
        """A body that is an array or a scalar is JSON; with a default it is not required."""

        def total(numbers: Annotated[list[int], Body()]) -> None: ...
        def maybe(number: Annotated[int, Body()] = 1) -> None: ...

        schema = {"type": "array", "items": {"type": "integer", "format": "int64"}}
        expected = {"content": {"application/json": {"schema": schema}}, "required": True}
        for method in (POST, DELETE):
            self.assertEqual(self.body(total, method), expected)
        self.assertFalse(self.body(maybe)["required"])

    def test_raw(self) -> None:
        """A raw body has any media type."""

        def size(data: bytes) -> None: ...

        self.assertEqual(self.body(size)["content"], {"application/octet-stream": {}})
        self.assertFalse(self.body(size)["required"])

    def test_form(self) -> None:
        """A form has the media types of forms only, and is never in the query."""

        def login(form: Annotated[Login, Form()]) -> None: ...

        for method in (POST, DELETE):
            body = self.body(login, method)
            self.assertEqual(
                list(body["content"]), ["application/x-www-form-urlencoded", "multipart/form-data"]
            )
            self.assertNotIn("query", body.get("description", ""))
            names = [each["schema"].get("propertyNames") for each in body["content"].values()]
            self.assertEqual(names, [None, {"pattern": "^[^\\u0000]*$"}])  # as the heads of parts can have

    def test_lists_in_forms(self) -> None:
        """Lists in forms are a field for each item; Swagger UI otherwise joins the items with commas."""

        def tag(form: Annotated[Tagged, Form()]) -> None: ...

        content = self.body(tag, POST)["content"]
        exploded = {"style": "form", "explode": True}
        self.assertEqual(
            [each.get("encoding") for each in content.values()], [{"tags": exploded, "roles": exploded}] * 2
        )
