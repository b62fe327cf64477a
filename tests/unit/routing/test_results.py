"""Results with infinity and NaN, which JSON has not."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import attrs
import msgspec
from msgspec import Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Created
from unixsvc.domain.validation.finite_numbers import NotFinite
from unixsvc.errors import ServiceError
from unixsvc.routing.app import App
from unixsvc.routing.results.encoding import encode, encoder_for
from unixsvc.routing.route import GET
from unixsvc.testing import MemoryService

NAN = math.nan


class Item(Struct):
    """Has a price."""

    name: str
    price: float = 0.0
    cost: Decimal = Decimal()
    weight: float | None = msgspec.field(default=None, name="Weight")


@dataclasses.dataclass
class Box:
    """A dataclass."""

    content: Item
    size: float = 1.0


@attrs.define
class Bag:
    """An attrs class."""

    size: float = 1.0


class Name(Struct):
    """Has no numbers."""

    name: str | None


class Scale(enum.Enum):
    """An enum."""

    ONE = "1"


class EncoderTests(SynchronousTestCase):
    """The encoders of types."""

    def assert_refused(self, kind: Any, value: Any, place: str, *, allow: bool = False) -> None:
        """The value cannot be encoded, and the error names the place."""
        with self.assertRaises(NotFinite) as caught:
            encoder_for(kind, allow_nan_as_null=allow)(value)
        self.assertTrue(str(caught.exception).startswith(f"{place} is "), caught.exception)

    def test_floats(self) -> None:
        """A float that is infinite or NaN is refused, at any place."""
        for number in (NAN, math.inf, -math.inf):
            self.assert_refused(float, number, "the result")
            self.assert_refused(float | None, number, "the result")
            self.assert_refused(list[float], [1.0, number], "[1]")
            self.assert_refused(dict[str, tuple[float, ...]], {"a": (number,)}, "a[0]")
            self.assert_refused(list[Item], [Item("a"), Item("b", number)], "[1].price")
            self.assert_refused(Item, Item("b", weight=number), "Weight")
            self.assert_refused(Box, Box(Item("a", number)), "content.price")
            self.assert_refused(Bag, Bag(number), "size")
            self.assert_refused(set[float], {number}, "[0]")

    def test_decimals(self) -> None:
        """So is a decimal, which would be a text; allow_nan_as_null is about floats."""
        for number in ("NaN", "-Infinity", "sNaN", "NaN7"):
            for allow in (True, False):
                self.assert_refused(Decimal, Decimal(number), "the result", allow=allow)
                self.assert_refused(list[Item], [Item("a", cost=Decimal(number))], "[0].cost", allow=allow)

    def test_unknown_types(self) -> None:
        """Types of which nothing is known are searched, too."""
        kinds: list[Any] = [Any, object, dict[str, Any], dict, list[Any], Created[Any]]
        for kind in kinds:
            self.assert_refused(kind, {"a": [None, {"b": NAN}]}, "a[1].b")
            self.assert_refused(kind, {"a": Decimal("NaN")}, "a")

    def test_null_is_not_nan(self) -> None:
        """Other values are as they were, also null, large integers, and texts that look like numbers."""
        values: list[Any] = [
            None, {"a": None, "b": 1.5}, [None, 2**80, 1e308], "NaN", {"null": "Infinity"},
            Raw(b'{"a":null}'), Item("null", 1e308, Decimal("1e999")), b"\xcb\x7f\xff", Scale.ONE,
            {"a": {"b", None}},
        ]  # fmt: skip
        for value in values:
            self.assertEqual(encoder_for(Any, allow_nan_as_null=False)(value), encode(value))

    def test_free(self) -> None:
        """The results of types without floats and decimals are not searched at all."""
        kinds: list[Any] = [
            int,
            str,
            None,
            Name,
            list[Name],
            dict[str, str],
            dict[str, list[int] | None],
            Scale,
            Raw,
        ]
        for kind in kinds:
            self.assertIs(encoder_for(kind, allow_nan_as_null=False), encode)

    def test_allowed(self) -> None:
        """With allow_nan_as_null infinity and NaN are null."""
        self.assertEqual(encoder_for(float, allow_nan_as_null=True)(NAN), b"null")
        self.assertIs(encoder_for(list[float], allow_nan_as_null=True), encode)
        item = Item("a", math.inf)
        self.assertEqual(msgspec.json.decode(encoder_for(Item, allow_nan_as_null=True)(item))["price"], None)


async def waited() -> list[float]:
    """Returns NaN."""
    return [1.0, NAN]


def at_once() -> list[float]:
    """Returns NaN."""
    return [1.0, NAN]


def created() -> Created[Item]:
    """Returns NaN."""
    return Created(Item("a", NAN))


async def streamed() -> AsyncIterator[float]:
    """Yields NaN."""
    yield 1.0
    yield NAN


class RouteTests(SynchronousTestCase):
    """Actions that return NaN."""

    def reply(self, action: Callable[..., Any], **options: Any) -> Any:
        """The result of a route, or its error."""
        found: list[Any] = []
        service = MemoryService(App([GET("/x", action, **options)]))
        service.get("/x").addBoth(found.append)
        return getattr(found[0], "value", found[0])

    def test_refused(self) -> None:
        """The reply is a 500 without details, and the log says which field it is."""
        for action, place in ((waited, "[1]"), (at_once, "[1]"), (created, "price")):
            error = self.reply(action)
            self.assertIsInstance(error, ServiceError)
            self.assertEqual((error.code, error.detail), (500, None))
            [failure] = self.flushLoggedErrors(NotFinite)
            self.assertIn(f"{place} is nan, which JSON has no number for", str(failure.value))

    def test_stream(self) -> None:
        """A stream ends at such an item."""
        service = MemoryService(App([GET("/x", streamed)]))
        stream = service.stream("/x")
        service.clock.advance(0)
        self.assertEqual(stream.items, [1.0])
        self.assertEqual(self.failureResultOf(stream.ended, ServiceError).value.code, 500)
        self.assertEqual(len(self.flushLoggedErrors(NotFinite)), 1)

    def test_allowed(self) -> None:
        """With allow_nan_as_null it is null."""
        for action in (waited, at_once):
            self.assertEqual(self.reply(action, allow_nan_as_null=True), [1.0, None])
        self.assertEqual(self.reply(created, allow_nan_as_null=True)["price"], None)
