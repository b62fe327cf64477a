"""The description of results with status, headers, media types and redirects."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.every_kind.results import ROUTES
from tests.unit.rest.openapi.openapi_helpers import document_of, validate
from unixsvc.routing.route import Group

ITEM = {"schema": {"$ref": "#/components/schemas/Item"}}


class ResultTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Describe the application with each kind of result."""
        group = ROUTES[0]
        assert isinstance(group, Group)
        self.document = document_of(*group.routes)
        self.paths: dict[str, Any] = self.document["paths"]

    def responses(self, path: str, method: str = "get") -> dict[str, Any]:
        """The responses of an operation that succeeds."""
        found = self.paths[path][method]["responses"]
        return {code: each for code, each in found.items() if code < "4"}

    def test_valid(self) -> None:
        """The document is valid."""
        validate(self.document)

    def test_status(self) -> None:
        """A declared status is the only one; a Response without one may have any of success."""
        for path, method, codes in (
            ("/accepted", "post", ["202"]),
            ("/items", "get", ["200", "304"]),
            ("/items", "post", ["201"]),
            ("/session", "post", ["2XX"]),
            ("/session", "delete", ["204"]),
            ("/moved/{id}", "get", ["307"]),
            ("/maybe/{id}", "get", ["204", "2XX", "304", "3XX"]),
            ("/picture/{id}", "get", ["200", "304"]),
            ("/ticks", "get", ["200"]),
        ):
            self.assertEqual(sorted(self.responses(path, method)), codes, path)

    def test_headers(self) -> None:
        """Declared headers are described, and the Location of a redirect."""
        total = self.responses("/items")["200"]["headers"]["X-Total"]
        self.assertEqual(total, {"description": "How many there are.", "schema": {"type": "string"}})
        self.assertIn("Location", self.responses("/moved/{id}")["307"]["headers"])
        self.assertIn("Location", self.responses("/items", "post")["201"]["headers"])

    def test_media_types(self) -> None:
        """Bytes have no schema; a text is a string; other results are JSON."""
        self.assertEqual(self.responses("/picture/{id}")["200"]["content"], {"image/png": {}})
        page = self.responses("/page/{id}")["200"]["content"]
        self.assertEqual(page, {"text/html": {"schema": {"type": "string"}}})
        self.assertEqual(self.responses("/export")["200"]["content"], {"text/csv": {}})
        self.assertEqual(self.responses("/accepted", "post")["202"]["content"], {"application/json": ITEM})
        self.assertNotIn("content", self.responses("/session", "delete")["204"])

    def test_events(self) -> None:
        """The items of an event stream are described with their fields."""
        content = self.responses("/ticks")["200"]["content"]
        self.assertEqual(sorted(content), ["application/jsonl", "text/event-stream"])
        name = content["text/event-stream"]["x-item-schema"]["$ref"].rpartition("/")[2]
        fields = self.document["components"]["schemas"][name]["properties"]
        self.assertEqual(fields["data"], ITEM["schema"])
        self.assertEqual(sorted(fields), ["data", "event", "id", "retry", "text"])
