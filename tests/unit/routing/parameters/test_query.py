"""Parameters from the query, beside a body."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.parameters.asking import Asked
from unixsvc import Query


class New(Struct, forbid_unknown_fields=True):
    """A body."""

    name: str


def create(
    new: New,
    page: Annotated[int, Query(), Meta(ge=1)] = 1,
    tags: Annotated[list[str], Query("tag")] = [],
    notify: Annotated[bool, Query()] = False,
) -> list[Any]:
    """A whole body beside a query."""
    return [new.name, page, tags, notify]


class QueryTests(SynchronousTestCase):
    def test_beside_body(self) -> None:
        """The body and the query are two sources, over both transports, for JSON and for forms."""
        asked = Asked(create)
        query, expected = "?page=2&tag=a&tag=b%20c&notify=on", ["Pen", 2, ["a", "b c"], True]
        self.assertEqual(asked.call({"name": "Pen"}, query), expected)
        self.assertEqual(asked.ask(query, json={"name": "Pen"}), expected)
        self.assertEqual(asked.ask(query, data={"name": "Pen"}), expected)
        self.assertEqual(asked.ask(json={"name": "Pen"}), ["Pen", 1, [], False])

    def test_problems(self) -> None:
        """Problems of both are reported at once."""
        asked = Asked(create)
        expected = {"name": "Expected `str`, got `int`", "query.page": "Expected `int` >= 1"}
        self.assertEqual(asked.call({"name": 1}, "?page=0"), expected)
        self.assertEqual(asked.ask("?page=0", json={"name": 1}), expected)
        self.assertEqual(asked.ask("?page=%ff", json={"name": "a"}), 400)

    def test_last(self) -> None:
        """Of several values the last one counts; an empty number is absent."""
        self.assertEqual(Asked(create).ask("?page=2&page=3&page=", json={"name": "a"})[1], 3)

    def test_without_body(self) -> None:
        """Beside parameters without a marker, the query has both, as of a GET."""

        def find(text: str, page: Annotated[int, Query()] = 1) -> list[Any]:
            return [text, page]

        asked = Asked(find, "GET")
        self.assertEqual(asked.ask("?text=a&page=2"), ["a", 2])
        self.assertEqual(asked.call({"text": "a"}, "?page=2"), ["a", 2])

    def test_too_many_fields(self) -> None:
        """A query has at most 1,000 fields."""
        self.assertEqual(Asked(create).ask("?" + "a&" * 1001, json={"name": "a"}), 400)

    def test_contract(self) -> None:
        """The contract distinguishes them."""
        route = Asked(create).contract()
        self.assertEqual(route["data"], {"$ref": "#/schemas/New"})
        self.assertEqual({each["name"]: each["place"] for each in route["parameters"]}["tag"], "query")
        self.assertIsNone(route["body"])
