"""The JSON Schemas of types."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.contract.model import referenced_schema
from unixsvc.contract.schemas import TypeUse, UnsupportedType, json_schemas, require_json_types
from unixsvc.routing.route import GET
from unixsvc.stubs.module import client_name, write_module

T = TypeVar("T")
NUMBER = {"type": "number"}
NULL = {"type": "null"}
OR_NULL = {"anyOf": [NUMBER, NULL]}


class Event(Struct):
    """Has dates and times."""

    at: dt.datetime
    day: dt.date
    opens: dt.time
    zoned: Annotated[dt.datetime, Meta(tz=True)]
    local: Annotated[dt.datetime, Meta(tz=False)]
    closes: Annotated[dt.time, Meta(tz=False)]
    lasting: dt.timedelta = dt.timedelta()
    ended: dt.datetime | None = None


class Price(Struct, tag=True):
    """Has a float."""

    amount: float
    factors: list[Annotated[float, Meta(ge=0)]] = []
    rate: float | None = None


class Name(Struct, tag=True):
    """Has none."""

    name: str = ""


class Offer(Struct, Generic[T]):
    """Refers to both."""

    what: T
    name: Name
    either: Price | Name | None = None


def schema_of(kind: Any, *, nullable: bool = False) -> tuple[Any, Any]:
    """The schema of one type, and the schemas that it refers to."""
    [schema], components = json_schemas([TypeUse(kind, nullable)])
    return schema, components


def event() -> Event:
    """Return an event."""
    raise NotImplementedError


def priced() -> Price:
    """Return a price."""
    raise NotImplementedError


def half() -> float:
    """Return a float."""
    return 0.5


class TimeTests(SynchronousTestCase):
    """Dates and times."""

    def test_formats(self) -> None:
        """Dates and times have formats, with and without zone."""
        for kind, name in (
            (dt.datetime, "date-time"), (dt.date, "date"), (dt.time, "time"), (dt.timedelta, "duration"),
            (Annotated[dt.datetime, Meta(tz=True)], "date-time"), (Annotated[dt.time, Meta(tz=True)], "time"),
            (Annotated[dt.datetime, Meta(tz=False)], "date-time-local"),
            (Annotated[dt.time, Meta(tz=False)], "time-local"),
        ):  # fmt: skip
            self.assertEqual(schema_of(kind)[0], {"type": "string", "format": name})
        options = schema_of(dt.datetime | None)[0]["anyOf"]
        self.assertEqual(options, [{"type": "string", "format": "date-time"}, NULL])

    def test_own_format(self) -> None:
        """A format of the application's own is kept."""
        kind = Annotated[dt.datetime, Meta(extra_json_schema={"format": "epoch"}, description="x")]
        self.assertEqual(schema_of(kind)[0], {"type": "string", "format": "epoch", "description": "x"})

    def test_stub(self) -> None:
        """A generated client has the types of datetime."""
        contract = Serving(GET("/", event)).router.contract()
        text = write_module(contract, "shop", client_name("shop"))
        for line in (
            "at: dt.datetime", "day: dt.date", "opens: dt.time", "zoned: dt.datetime",
            "local: Annotated[dt.datetime, Meta(tz=False)]", "closes: Annotated[dt.time, Meta(tz=False)]",
            "ended: dt.datetime | None = None",
        ):  # fmt: skip
            self.assertIn(f"    {line}\n", text)


class NullableTests(SynchronousTestCase):
    """Results whose floats may be null."""

    def test_floats(self) -> None:
        """A float may be null, wherever it is; nothing else may."""
        self.assertEqual(schema_of(float, nullable=True)[0], OR_NULL)
        self.assertEqual(schema_of(float | None, nullable=True)[0], OR_NULL)
        self.assertEqual(schema_of(list[float], nullable=True)[0], {"type": "array", "items": OR_NULL})
        self.assertEqual(schema_of(int, nullable=True)[0], {"type": "integer"})
        options = schema_of(float | str | None, nullable=True)[0]["anyOf"]
        self.assertEqual(options, [NUMBER, {"type": "string"}, NULL])

    def test_components(self) -> None:
        """Types with floats have schemas of their own for this; others do not."""
        [plain, nullable], components = json_schemas([TypeUse(Offer[Price]), TypeUse(Offer[Price], True)])
        self.assertEqual(referenced_schema(plain), "Offer_Price")
        self.assertEqual(referenced_schema(nullable), "Offer_Price.nullable")
        self.assertEqual(
            sorted(components), ["Name", "Offer_Price", "Offer_Price.nullable", "Price", "Price.nullable"]
        )
        self.assertEqual(components["Price"]["properties"]["amount"], NUMBER)
        fields = components["Price.nullable"]["properties"]
        self.assertEqual(fields["amount"], OR_NULL)
        self.assertEqual(fields["rate"], OR_NULL | {"default": None})
        self.assertEqual(fields["factors"]["items"], {"anyOf": [NUMBER | {"minimum": 0}, NULL]})
        offer = components["Offer_Price.nullable"]["properties"]
        self.assertEqual(referenced_schema(offer["what"]), "Price.nullable")
        self.assertEqual(referenced_schema(offer["name"]), "Name")
        mapping = offer["either"]["anyOf"][0]["discriminator"]["mapping"]
        self.assertEqual(mapping, {"Price": "#/schemas/Price.nullable", "Name": "#/schemas/Name"})

    def test_route(self) -> None:
        """The contract says what the route allows."""
        routes = (
            GET("/a", priced),
            GET("/b", priced, allow_nan_as_null=True),
            GET("/c", half, allow_nan_as_null=True),
        )
        contract = Serving(*routes).router.contract()
        results = [each.result for each in contract.application_routes]
        self.assertEqual([*map(referenced_schema, results)], ["Price", "Price.nullable", ""])
        self.assertEqual(results[2], OR_NULL)
        text = write_module(contract, "shop", client_name("shop"))
        self.assertIn("class PriceNullable(", text)
        self.assertIn("    amount: float | None\n", text)


class UnsupportedTests(SynchronousTestCase):
    """Types without JSON."""

    def test_types(self) -> None:
        """The error names the type, at any depth, also of keys."""
        kinds: list[Any] = [complex, list[complex], dict[complex, int], Offer[complex]]
        for kind in kinds:
            with self.assertRaises(UnsupportedType) as caught:
                require_json_types([kind])
            self.assertEqual(str(caught.exception), "the type complex has no form in JSON")

    def test_supported(self) -> None:
        """Types with a schema are accepted."""
        kinds: list[Any] = [int, Any, Event, Offer[Price], dict[str, float], dict[int, dict[str, Any]], None]
        for kind in kinds:
            require_json_types([kind])
