"""Numbers that Python accepts and JSON has not."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.validation.field_errors import NOT_FINITE
from unixsvc.domain.validation.formats import DECODED, ENCODED, QUERY, InputFormat
from unixsvc.domain.validation.validator import Validator, find_field_errors, holds_numbers

ODD = (
    "NaN", "nan", "sNaN", "-NaN7", "Infinity", "-Infinity", "inf", "+inf", "1_0", "1_000.5", " 1", "1 ",
    "1\n",    "\u0661", "1\u0660", "\uff11", "1__0", "_1",
)  # fmt: skip
PLAIN = ("1", "-1.50", "+2", ".5", "5.", "1e400", "1E-7", "0", "123456789012345678901234567890.1")


class Line(Struct):
    """A line of an invoice."""

    price: Decimal = Decimal()
    lines: list[Line] = []


class Named(Struct):
    """Has a text beside a number."""

    name: str
    price: Decimal


class NumberTests(SynchronousTestCase):
    """Decimals and floats that are not finite, or not written as JSON writes numbers."""

    def assert_odd(self, kind: Any, value: Any, *fields: str, form: InputFormat | None = None) -> None:
        """Exactly these fields are not finite numbers."""
        for each, data in ((DECODED, value), (ENCODED, msgspec.json.encode(value))):
            if form in (None, each):
                found = find_field_errors(kind, data, each)
                self.assertEqual(
                    {error.field: error.message for error in found}, dict.fromkeys(fields, NOT_FINITE)
                )
                self.assertEqual(Validator(each).has_odd_number(kind, data), bool(fields))

    def test_texts(self) -> None:
        """A decimal is a finite number, without underscores, spaces and digits of other scripts."""
        for text in ODD:
            self.assert_odd(dict[str, Decimal], {"a": text}, "a")
            self.assertTrue(find_field_errors(Decimal, text, QUERY), text)
        for text in PLAIN:
            self.assert_odd(dict[str, Decimal], {"a": text})
            self.assertEqual(find_field_errors(Decimal, text, QUERY), [])

    def test_escapes(self) -> None:
        """Escapes in JSON hide nothing."""
        found = find_field_errors(Decimal, b'"\\u004eaN"', ENCODED)
        self.assertEqual([each.message for each in found], [NOT_FINITE])

    def test_numbers_of_json(self) -> None:
        """A number of JSON is a decimal."""
        for text in (b"1", b"1.5", b"-1e400", b" 1 "):
            self.assertEqual(find_field_errors(Decimal, text, ENCODED), [])

    def test_places(self) -> None:
        """Decimals are found at each place of a value, and all at once."""
        self.assert_odd(list[Decimal], ["1", "NaN", "2", "1_0"], "[1]", "[3]")
        self.assert_odd(Decimal | None, "NaN", "")
        self.assert_odd(Annotated[Decimal, Meta(title="x")], "NaN", "")
        self.assert_odd(tuple[str, Decimal], ["NaN", "NaN"], "[1]")
        self.assert_odd(Decimal | list[Decimal], ["NaN"], "[0]")
        value = {"price": "NaN", "lines": [{"price": "1"}, {"price": "inf", "lines": [{"price": "1_0"}]}]}
        self.assert_odd(Line, value, "price", "lines[1].price", "lines[1].lines[0].price")

    def test_keys(self) -> None:
        """The keys of a dict are numbers, too."""
        self.assert_odd(dict[Decimal, int], {"NaN": 1, "1": 2}, "NaN", form=ENCODED)
        self.assert_odd(dict[float, int], {"nan": 1, "1.5": 2}, "nan", form=ENCODED)

    def test_with_others(self) -> None:
        """They are listed with the problems of other fields."""
        found = find_field_errors(Line, {"price": "NaN", "lines": [{"price": []}]}, DECODED)
        self.assertEqual(
            [(each.field, each.message) for each in found],
            [("price", NOT_FINITE), ("lines[0].price", "Expected `decimal`, got `array`")],
        )

    def test_floats(self) -> None:
        """A float from TOML or from text is finite; JSON has no others."""
        for value in (math.nan, math.inf, -math.inf):
            self.assert_odd(dict[str, float], {"a": value}, "a", form=DECODED)
        self.assert_odd(dict[str, float], {"a": 1e300}, form=DECODED)
        for text in ("nan", "inf", "-Infinity"):
            [problem] = find_field_errors(float, text, QUERY)
            self.assertEqual(problem.message, NOT_FINITE)
        self.assertEqual(find_field_errors(float | str, "nanny", QUERY), [])
        for data in (b"1e400", b"[1, -1e400]"):
            [problem] = find_field_errors(float | list[float], data, ENCODED)
            self.assertEqual(problem.message, NOT_FINITE)

    def test_too_deep(self) -> None:
        """Odd numbers are searched to a limited depth, as each level is scanned again."""
        for price, problems in (("1", []), ("_1", ["is nested too deeply"])):
            value: Any = {"price": price}
            for _ in range(40):
                value = {"lines": [value]}
            found = find_field_errors(Line, msgspec.json.encode(value), ENCODED)
            self.assertEqual([each.message for each in found], problems)

    def test_many(self) -> None:
        """More odd numbers than are searched one by one are found as well."""
        texts = [f"{number}_0" for number in range(20)]
        self.assert_odd(dict[str, Decimal], {text: text for text in texts}, *texts)
        value = {str(number): {"name": text, "price": "1"} for number, text in enumerate(texts)}
        self.assert_odd(dict[str, Named], value | {"x": {"name": "", "price": "NaN"}}, "x.price")

    def test_texts_beside(self) -> None:
        """Other texts may be anything."""
        for text in (*ODD, "a_b", "\\", "日本", "e_mail", " "):
            self.assert_odd(dict[str, Decimal | dict[str, str]], {"a": {text: text}, "b": "1"})
            self.assert_odd(tuple[str, Decimal], [text, "1"])

    def test_other_types(self) -> None:
        """Types without such numbers need no search."""
        others: list[Any] = [int, str, dict[str, int], list[float], Any, dict[str, Any]]
        self.assertEqual([each for each in others if holds_numbers(each, ENCODED)], [])
        for kind in (Line, list[Decimal], dict[float, int], dict[str, tuple[int, Decimal | None]]):
            self.assertTrue(holds_numbers(kind, ENCODED), kind)
