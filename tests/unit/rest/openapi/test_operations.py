"""OpenAPI operations."""

from __future__ import annotations

import enum
import uuid
from datetime import date
from typing import Any, Literal, NewType

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.openapi.openapi_helpers import (
    ROUTES,
    create_flat,
    document_of,
    nothing,
    operation_of,
    operations_in,
    refined,
    taking,
)  # fmt: skip
from unixsvc.routing.route import DELETE, GET, POST


def _failures(operation: dict[str, Any]) -> set[int]:
    return {int(each) for each in operation["responses"] if int(each) >= 400}


class Size(enum.IntEnum):
    """An enum of numbers."""

    SMALL = 1


class ErrorTests(SynchronousTestCase):
    """The errors that are described: all that are sent, and no others."""

    always = frozenset({400, 421, 500, 503, 504})

    def test_minimum(self) -> None:
        """The errors of a public route without arguments."""
        self.assertEqual(_failures(operation_of(GET("/", nothing, public=True))), self.always)

    def test_token(self) -> None:
        """A route that needs a token has 401, 403 and a security requirement; a mounted one always does."""
        for policy, public, mounted, needed in (
            ("private", True, False, False), ("private", False, False, True), ("private", True, True, True),
            ("required", True, False, True), ("required", False, True, True),
            ("off", False, False, False), ("off", False, True, False),
        ):  # fmt: skip
            found = operation_of(GET("/", nothing, public=public), policy, mounted=mounted)
            self.assertEqual(401 in _failures(found), needed, (policy, public, mounted))
            self.assertEqual(403 in _failures(found), needed, (policy, public, mounted))
            self.assertEqual(found["security"], [{"bearer": []}] if needed else [])
        self.assertIn("bearer", document_of()["components"]["securitySchemes"])
        self.assertNotIn("securitySchemes", document_of(policy="off").get("components", {}))

    def test_path(self) -> None:
        """A path with variables has 404; constraints on a variable add 422."""
        found = operation_of(GET("/{id:int}", taking(["{id:int}"])), policy="off")
        self.assertEqual(_failures(found), self.always | {404})
        found = operation_of(GET("/{id:int}/{number:float}", refined), policy="off")
        self.assertEqual(_failures(found), self.always | {404, 422})

    def test_converted_path(self) -> None:
        """A variable whose values are converted to a narrower type adds 422."""
        for pattern, kind, invalid in (
            ("{id:int}", NewType("UserId", int), False), ("{id:int}", Size, True),
            ("{id:int}", Literal[1, 2], True), ("{id}", str, False), ("{id}", int, True),
            ("{id}", uuid.UUID, True), ("{id}", date, True), ("{id:path}", str, False),
            ("{id:uuid}", NewType("Key", uuid.UUID), False),
        ):  # fmt: skip

            def action(id: Any) -> None:
                """Does nothing."""

            action.__annotations__["id"] = kind
            found = operation_of(GET(f"/{pattern}", action), policy="off")
            self.assertEqual(422 in _failures(found), invalid, (pattern, kind))

    def test_data(self) -> None:
        """Arguments add 422; a body adds 413 and 415."""
        document = document_of(*ROUTES, policy="off")
        self.assertEqual(_failures(document["paths"]["/thing"]["get"]), self.always | {422})
        created = _failures(document["paths"]["/thing/flat"]["post"])
        self.assertEqual(created, self.always | {403, 409, 413, 415, 422})
        self.assertEqual(_failures(document["paths"]["/body"]["get"]), self.always | {413, 415, 422})

    def test_idempotency_keys(self) -> None:
        """A method that changes something adds 403, 409 and 422; for a stream not 409."""
        self.assertEqual(
            _failures(operation_of(DELETE("/", nothing), policy="off")), self.always | {403, 409, 422}
        )
        found = document_of(*ROUTES, policy="off")["paths"]["/thing/{id}/prices"]["post"]
        self.assertNotIn(409, _failures(found))
        self.assertIn(422, _failures(found))
        self.assertNotIn("x-headers", found)
        [header] = operation_of(DELETE("/", nothing))["x-headers"]
        self.assertEqual(header, {"$ref": "#/components/parameters/Idempotency-Key"})

    def test_mounted(self) -> None:
        """A mounted route has 502."""
        self.assertIn(502, _failures(operation_of(GET("/", nothing), mounted=True)))

    def test_declared(self) -> None:
        """Declared errors are there, with their descriptions."""
        item = document_of(*ROUTES)["paths"]["/thing/{id}"]
        self.assertEqual(
            item["get"]["responses"]["404"]["description"],
            "Nothing has this id. There is no resource at this path.",
        )
        self.assertEqual(item["delete"]["responses"]["404"], {"$ref": "#/components/responses/NotFound"})
        self.assertTrue(
            item["put"]["responses"]["409"]["description"].startswith(
                "It is sold to another customer. An earlier "
            )
        )
        limited = document_of(*ROUTES)["paths"]["/thing"]["post"]["responses"]["429"]
        self.assertIn("Retry-After", limited["headers"])

    def test_problem(self) -> None:
        """Each error is a problem; that of 422 lists fields."""
        document = document_of(*ROUTES)
        for path, _, operation in operations_in(document):
            for code in _failures(operation):
                response = operation["responses"][str(code)]
                if "$ref" in response:
                    response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
                name = "InvalidProblem" if code == 422 else "Problem"
                schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
                self.assertEqual(response["content"], {"application/problem+json": schema}, path)


class SuccessTests(SynchronousTestCase):
    """The responses of actions that succeed."""

    def successes(self, operation: dict[str, Any]) -> list[str]:
        """The status codes."""
        return [each for each in operation["responses"] if int(each) < 400]

    def test_codes(self) -> None:
        """The codes are 204 for null, 200 for other results, and 304 for GET."""
        paths = document_of(*ROUTES)["paths"]
        self.assertEqual(self.successes(paths["/"]["get"]), ["204"])
        self.assertEqual(self.successes(paths["/thing"]["get"]), ["200", "304"])
        self.assertEqual(self.successes(paths["/thing/{id}"]["get"]), ["200", "204", "304"])
        self.assertEqual(self.successes(paths["/thing/{id}"]["delete"]), ["200", "204"])
        self.assertEqual(self.successes(paths["/any/{id}"]["get"]), ["200", "204", "304"])

    def test_result(self) -> None:
        """The body has the schema of the result without null, which is 204."""
        paths = document_of(*ROUTES)["paths"]
        found = paths["/thing/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        self.assertEqual(found, {"$ref": "#/components/schemas/Thing"})

    def test_created(self) -> None:
        """A created resource is 201 with Location, without a body if there is no result."""
        paths = document_of(*ROUTES)["paths"]
        made = paths["/thing"]["post"]["responses"]
        self.assertEqual(self.successes({"responses": made}), ["201"])
        self.assertIn("Location", made["201"]["headers"])
        self.assertIn("content", made["201"])
        self.assertNotIn("content", paths["/thing/flat"]["post"]["responses"]["201"])
        self.assertEqual(self.successes(paths["/thing/flat"]["post"]), ["201"])

    def test_stream(self) -> None:
        """A stream is lines or events of its items, without an ETag."""
        found = document_of(*ROUTES)["paths"]["/thing/{id}/prices"]["get"]
        self.assertEqual(self.successes(found), ["200"])
        content = found["responses"]["200"]["content"]
        self.assertEqual(list(content), ["application/jsonl", "text/event-stream"])
        for each in content.values():
            self.assertEqual(each["x-item-schema"], {"$ref": "#/components/schemas/Thing"})
            self.assertEqual(each["schema"], {"type": "string"})
        self.assertNotIn({"$ref": "#/components/parameters/If-None-Match"}, found["parameters"])

    def test_head(self) -> None:
        """HEAD has no body."""
        found = document_of(*ROUTES)["paths"]["/thing/{id}"]["head"]
        self.assertNotIn("content", found["responses"]["200"])


class ArgumentTests(SynchronousTestCase):
    """Arguments and where they are."""

    def parameters(self, operation: dict[str, Any], where: str) -> dict[str, Any]:
        """The parameters at this location, by name."""
        return {each["name"]: each for each in operation["parameters"] if each.get("in") == where}

    def test_query(self) -> None:
        """Without a body, fields are query parameters, with their schemas."""
        found = self.parameters(document_of(*ROUTES)["paths"]["/thing"]["get"], "query")
        self.assertEqual(list(found), ["name", "colours", "limit"])
        self.assertEqual(
            found["limit"],
            {
                "name": "limit", "in": "query", "required": False, "description": "At most so many.",
                "schema": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 100, "default": 20},
            },
        )  # fmt: skip
        self.assertNotIn("requestBody", document_of(*ROUTES)["paths"]["/thing"]["get"])

    def test_not_in_a_query(self) -> None:
        """An optional argument that a query cannot express is left out; a required one needs a body."""
        item = document_of(*ROUTES)["paths"]["/body"]
        self.assertEqual(list(self.parameters(item["delete"], "query")), ["deep"])
        self.assertNotIn("requestBody", item["delete"])
        self.assertEqual(self.parameters(item["get"], "query"), {})
        self.assertEqual(list(item["get"]["requestBody"]["content"]), ["application/json"])

    def test_body(self) -> None:
        """A body is JSON, or a form if all fields fit into one; it is required if a field is."""
        paths = document_of(*ROUTES)["paths"]
        body = paths["/thing"]["post"]["requestBody"]
        self.assertEqual((list(body["content"]), body["required"]), (["application/json"], True))
        body = paths["/thing/flat"]["post"]["requestBody"]
        kinds = ["application/json", "application/x-www-form-urlencoded"]
        self.assertEqual((list(body["content"]), body["required"]), (kinds, True))
        self.assertFalse(paths["/thing/{id}"]["put"]["requestBody"]["required"])

    def test_headers(self) -> None:
        """All operations have X-Request-Timeout; a GET with an ETag has If-None-Match."""
        paths = document_of(*ROUTES)["paths"]
        timeout, known = (
            {"$ref": f"#/components/parameters/{each}"} for each in ("X-Request-Timeout", "If-None-Match")
        )
        for path, method, each in operations_in({"paths": paths}):
            self.assertIn(timeout, each["parameters"], path)
            self.assertEqual(known in each["parameters"], method == "GET" and "prices" not in path)


class Item(Struct):
    """Has the name of another service's."""

    id: int


def first_item() -> Item:
    """Give one."""
    return Item(1)


def use_flat(name: str) -> None:
    """Take a name."""


class ComponentTests(SynchronousTestCase):
    """Components."""

    def test_only_used(self) -> None:
        """Components that are not referred to are left out."""
        document = document_of(GET("/x", first_item), GET("/y", use_flat), policy="off")
        schemas = document["components"]["schemas"]
        self.assertEqual(set(schemas), {"InvalidField", "InvalidProblem", "Item", "Problem"})
        self.assertNotIn("Unauthorized", document["components"]["responses"])
        self.assertNotIn("Idempotency-Key", document["components"]["parameters"])

    def test_flat_created(self) -> None:
        """Arguments that are a body have a schema of their own."""
        document = document_of(POST("/flat", create_flat))
        self.assertEqual(document["components"]["schemas"]["POST.flat"]["required"], ["name"])
