"""Parameters from header fields."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from tests.unit.routing.parameters.asking import Asked, refused
from unixsvc import Check, Cookie, Header, Request
from unixsvc.domain.header_names import canonical_name
from unixsvc.routing.route import GET


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


def tenant(x_tenant: Annotated[str, Header()]) -> str:
    """A required field."""
    return x_tenant


def typed(
    x_limit: Annotated[int, Header(), Meta(ge=1)] = 7,
    x_ids: Annotated[list[int], Header()] = [],
    x_on: Annotated[bool, Header("X-ON")] = False,
    x_colour: Annotated[Colour | None, Header()] = None,
    x_price: Annotated[Decimal | None, Header()] = None,
    x_ratio: Annotated[float, Header()] = 0.5,
) -> dict[str, Any]:
    """Fields of several types."""
    return {
        "limit": x_limit,
        "ids": x_ids,
        "on": x_on,
        "colour": x_colour,
        "price": x_price,
        "ratio": x_ratio,
    }


DEFAULTS = {"limit": 7, "ids": [], "on": False, "colour": None, "price": None, "ratio": 0.5}


class HeaderTests(SynchronousTestCase):
    def test_both_transports(self) -> None:
        """A field is a header field of HTTP in any case, or an entry of ``meta`` in lower case."""
        asked = Asked(tenant)
        self.assertEqual(asked.call(x_tenant="acme"), "acme")
        for name in ("X-Tenant", "x-tenant", "X-TENANT"):
            self.assertEqual(asked.ask(headers={name: "acme"}), "acme")

    def test_required(self) -> None:
        """A missing field is a problem that names the place, together with all other problems."""
        problem = {"header.x-tenant": "is required"}
        asked = Asked(tenant)
        self.assertEqual((asked.call(), asked.ask()), (problem, problem))

        def several(a: int, x_a: Annotated[int, Header()], b: Annotated[int, Cookie()]) -> None: ...

        expected = {
            "a": "Expected `int`, got `str`",
            "header.x-a": "Expected `int`, got `str`",
            "cookie.b": "is required",
        }
        asked = Asked(several)
        self.assertEqual(asked.call({"a": "x"}, x_a="y"), expected)
        self.assertEqual(asked.ask(json={"a": "x"}, headers={"X-A": "y"}), expected)

    def test_types(self) -> None:
        """Text is converted to the type; all problems are found."""
        asked = Asked(typed)
        headers = {
            "x-limit": "3", "x-ids": "1, 2,,\t3", "x-on": "true", "x-colour": "red", "x-price": "1.50",
            "x-ratio": "2",
        }  # fmt: skip
        expected = {"limit": 3, "ids": [1, 2, 3], "on": True, "colour": "red", "price": "1.50", "ratio": 2.0}
        self.assertEqual(asked.ask(headers=headers), expected)
        self.assertEqual(asked.outcome({}, "", headers), expected)
        self.assertEqual((asked.ask(), asked.call()), (DEFAULTS, DEFAULTS))
        wrong = {"x-limit": "0", "x-ids": "1,b,3,d", "x-price": "NaN", "x-ratio": "inf"}
        expected = {
            "header.x-limit": "Expected `int` >= 1",
            "header.x-ids[1]": "Expected `int`, got `str`",
            "header.x-ids[3]": "Expected `int`, got `str`",
            "header.x-price": "Expected a finite number",
            "header.x-ratio": "Expected a finite number",
        }
        self.assertEqual(asked.ask(headers=wrong), expected)
        self.assertEqual(asked.outcome({}, "", wrong), expected)

    def test_empty(self) -> None:
        """An empty field is a value, also one that the type has not; as a list it has no items."""
        problem = {"header.x-limit": "Expected `int`, got `str`"}
        self.assertEqual(Asked(typed).ask(headers={"X-Limit": "", "X-Ids": ""}), problem)
        self.assertEqual(Asked(typed).ask(headers={"X-Ids": ""}), DEFAULTS)
        self.assertEqual(Asked(tenant).ask(headers={"X-Tenant": ""}), "")

    def test_default_is_copied(self) -> None:
        """A default list is a new one for each call."""

        def grow(x_ids: Annotated[list[int], Header()] = []) -> list[int]:
            x_ids.append(1)
            return x_ids

        asked = Asked(grow)
        self.assertEqual((asked.ask(), asked.ask()), ([1], [1]))

    def test_none(self) -> None:
        """A field that may be None need not have a default."""

        def action(x_a: Annotated[str | None, Header()]) -> str | None:
            return x_a

        asked = Asked(action)
        self.assertEqual((asked.ask(), asked.call(), asked.call(x_a="b")), (None, None, "b"))
        [parameter] = asked.contract()["parameters"]
        self.assertFalse(parameter["required"])

    def test_check(self) -> None:
        """A check of the application runs."""

        def action(
            x_a: Annotated[int, Header(), Check(lambda value: value % 2 == 0, message="{value} is odd")],
        ) -> int:
            return x_a

        asked = Asked(action)
        self.assertEqual(asked.ask(headers={"x-a": "4"}), 4)
        self.assertEqual(asked.ask(headers={"x-a": "5"}), {"header.x-a": "5 is odd"})

    def test_several(self) -> None:
        """A field with one value must not occur twice: proxies disagree about which one counts."""

        def both(x_a: Annotated[str, Header()], x_b: Annotated[list[str], Header()]) -> list[Any]:
            return [x_a, x_b]

        client = RawClient(GatewayHarness(GET("/", both, public=True)).site)
        client.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-b: 1\r\nX-B: 2,3\r\n\r\n")
        self.assertIn(b'["1",["1","2","3"]]', client.received())
        client.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 1\r\nx-b: 1\r\n\r\n")
        self.assertIn(b'{"field":"header.x-a","message":"occurs more than once"}', client.received())

    def test_bytes(self) -> None:
        """Bytes beyond ASCII are Latin-1, as HTTP has them; no bytes are a failure."""
        asked = Asked(tenant)
        self.assertEqual(asked.ask(headers={"X-Tenant": "caf\xe9 \xff"}), "caf\xe9 \xff")
        self.assertEqual(asked.call(x_tenant="\u20ac"), "\u20ac")

    def test_huge_numbers(self) -> None:
        """A number of any length is converted or refused in short time."""
        asked = Asked(typed)
        self.assertEqual(
            asked.ask(headers={"X-Limit": "9" * 5000, "X-Ratio": "9" * 5000}),
            {"header.x-limit": "Integer value out of range", "header.x-ratio": "Expected a finite number"},
        )

    def test_contract(self) -> None:
        """The contract has name, place, schema and default of each field."""

        def action(
            x_a: Annotated[int, Header(description="What", examples=[3])] = 1,
            x_b: Annotated[Literal["y"], Header("X_B")] = "y",
        ) -> None: ...

        first, second = Asked(action).contract()["parameters"]
        self.assertEqual(
            first,
            {
                "name": "x-a", "place": "header", "required": False,
                "schema": {"type": "integer", "default": 1},
                "description": "What", "examples": [3], "http_only": False,
            },
        )  # fmt: skip
        self.assertEqual(second["name"], "x_b")

    def test_wrong(self) -> None:
        """A parameter that can never work is an error at start, which names it."""

        def name(a: Annotated[str, Header("a b")]) -> None: ...
        def umlaut(ä: Annotated[str, Header()]) -> None: ...
        def object_(a: Annotated[dict[str, int], Header()]) -> None: ...
        def lists(a: Annotated[list[list[int]], Header()]) -> None: ...
        def class_(a: Annotated[str, Header]) -> None: ...
        def twice(a: Annotated[str, Header(), Cookie()]) -> None: ...
        def same(a: Annotated[str, Header("X-A")], x_a: Annotated[str, Header()]) -> None: ...
        def check(a: Annotated[int | Annotated[str, Check(len, message="x")], Header()]) -> None: ...

        for action, problem in (
            (name, "'a b' is not the name of a header field"), (umlaut, "is not the name of a header field"),
            (object_, "header.a is an object"), (lists, "header.a is an object"), (class_, "write Header()"),
            (twice, "has two sources, Header() and Cookie()"), (same, "are the same header 'x-a'"),
            (check, "a Check inside a union"),
        ):  # fmt: skip
            self.assertIn(problem, refused(action))

    def test_wrong_types(self) -> None:
        """A type that no text can have is an error at start, too."""

        def meta(a: Annotated[str | None, Header(), Meta(pattern="a")]) -> None: ...
        def no_json(a: Annotated[Asked, Header()]) -> None: ...

        problem = "header.a cannot be converted from text: "
        self.assertIn(f"{problem}Can only set `pattern`", refused(meta))
        self.assertIn(f"{problem}the type Asked has no form in JSON", refused(no_json))

    def test_request(self) -> None:
        """``request.header`` finds fields whose canonical names are unusual."""

        def action(request: Request) -> list[str | None]:
            return [
                request.header("etag"),
                request.header("DNT"),
                request.header("x_1a"),
                request.header("b"),
            ]

        self.assertEqual(
            Asked(action).ask(headers={"ETag": "1", "dnt": "2", "X_1a": "3"}), ["1", "2", "3", None]
        )
        self.assertEqual(canonical_name("www-authenticate"), b"WWW-Authenticate")
