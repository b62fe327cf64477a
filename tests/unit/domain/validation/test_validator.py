"""Validation field by field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, FieldError
from unixsvc.domain.validation.formats import DECODED, ENCODED, QUERY, InputFormat
from unixsvc.domain.validation.validator import find_field_errors

Name = Annotated[str, Meta(min_length=1)]


class Address(Struct, forbid_unknown_fields=True):
    """A nested struct."""

    city: Name
    zip: int = 0


class Person(Struct):
    """A struct with fields of many types."""

    name: Name
    address: Address
    tags: list[int] = []
    homes: dict[str, Address] = {}
    age: int = msgspec.field(default=0, name="Age")


class Span(Struct):
    """A struct with a check of its own."""

    low: int
    high: int

    def __post_init__(self) -> None:
        """Reject spans that end before they start."""
        if self.low > self.high:
            raise ValueError("low is above high")


class Trip(Struct):
    """A struct with a field that has a check of its own."""

    length: int
    span: Span


class Cat(Struct, tag=True, forbid_unknown_fields=True):
    """A tagged struct."""

    lives: int


class Pair(Struct, array_like=True):
    """A struct that is encoded as a list."""

    left: int
    right: int


class Tree(Struct):
    """A recursive struct."""

    leaf: int = 0
    branches: dict[str, Tree] = {}


def problems(kind: Any, value: Any, form: InputFormat = DECODED) -> dict[str, str]:
    """The errors by field."""
    data = msgspec.json.encode(value) if form is ENCODED else value
    found = find_field_errors(kind, data, form)
    fields = {each.field: each.message for each in found}
    assert len(fields) == len(found), found
    return fields


class ProblemTests(SynchronousTestCase):
    """Invalid values, decoded and encoded."""

    def assert_problems(self, kind: Any, value: Any, expected: dict[str, str]) -> None:
        """Both input formats give these errors."""
        for form in (DECODED, ENCODED):
            self.assertEqual(problems(kind, value, form), expected)

    def test_nothing(self) -> None:
        """A valid value has no errors."""
        self.assert_problems(Person, {"name": "Ada", "address": {"city": "Rome"}, "other": 1}, {})

    def test_all_at_once(self) -> None:
        """All invalid and missing fields are listed, at each depth."""
        value = {
            "name": "",
            "address": {"zip": "x", "town": 1},
            "tags": [1, "2"],
            "homes": {"old": {"city": 5}, "new": {"city": "Rome", "zip": None}},
            "Age": "1",
        }
        self.assert_problems(
            Person,
            value,
            {
                "name": "Expected `str` of length >= 1",
                "address.city": "is required",
                "address.zip": "Expected `int`, got `str`",
                "address.town": "is unknown",
                "tags[1]": "Expected `int`, got `str`",
                "homes.old.city": "Expected `str`, got `int`",
                "homes.new.zip": "Expected `int`, got `null`",
                "Age": "Expected `int`, got `str`",
            },
        )

    def test_no_object(self) -> None:
        """If a value is not an object, the error is that of the value itself."""
        self.assert_problems(Person, [], {"": "Expected `object`, got `array`"})
        wrong = {"name": "x", "address": 7}
        self.assert_problems(Person, wrong, {"address": "Expected `object`, got `int`"})

    def test_unknown_fields(self) -> None:
        """An unknown field is an error only if the struct forbids unknown fields."""
        value = {"name": "x", "address": {"city": "x", "street": 1}, "more": 1}
        self.assert_problems(Person, value, {"address.street": "is unknown"})

    def test_whole_value(self) -> None:
        """A struct's own check runs if its fields are valid; its error has the field of the struct."""
        self.assert_problems(Span, {"low": 2, "high": 1}, {"": "low is above high"})
        self.assert_problems(
            Trip, {"length": 1, "span": {"low": 2, "high": 1}}, {"span": "low is above high"}
        )
        self.assert_problems(Span, {"low": 2, "high": "x"}, {"high": "Expected `int`, got `str`"})

    def test_tagged(self) -> None:
        """The tag of a struct is not an unknown field."""
        self.assert_problems(Cat, {"type": "Cat", "lives": "9"}, {"lives": "Expected `int`, got `str`"})
        self.assert_problems(Cat, {"type": "Dog", "lives": 9}, {"type": "Invalid value 'Dog'"})

    def test_array(self) -> None:
        """A struct that is encoded as a list is not searched by field names."""
        self.assert_problems(Pair, [1, "x"], {"[1]": "Expected `int`, got `str`"})

    def test_annotated_dict(self) -> None:
        """Constraints of a whole dict are checked beside those of its values."""
        kind = Annotated[dict[str, int], Meta(max_length=1)]
        self.assert_problems(kind, {"a": 1, "b": 2}, {"": "Expected `object` of length <= 1"})
        expected = {"": "Expected `object` of length <= 1", "b": "Expected `int`, got `str`"}
        self.assert_problems(kind, {"a": 1, "b": "x"}, expected)
        tags = Annotated[list[int], Meta(max_length=1), Meta(min_length=1)]
        self.assert_problems(
            dict[str, tags],
            {"a": [1, "x"], "b": [], "c": ["x"], "d": "x"},
            {
                "a": "Expected `array` of length <= 1",
                "a[1]": "Expected `int`, got `str`",
                "b": "Expected `array` of length >= 1",
                "c[0]": "Expected `int`, got `str`",
                "d": "Expected `array`, got `str`",
            },
        )

    def test_keys(self) -> None:
        """The keys of a dict are checked beside its values."""
        value = {"x": {"a": 1, "7": "x", "8": 8, "b": "x"}}
        problem = "Expected `int`, got `str`"
        expected = {"x.a": problem, "x.7": problem, "x.b": problem}
        self.assertEqual(problems(dict[str, dict[int, int]], value, ENCODED), expected)

    def test_text(self) -> None:
        """Values from text are converted before validation."""
        self.assertEqual(problems(Person, {"name": "x", "Age": "7", "address": {"city": "x"}}, QUERY), {})
        expected = {"address": "is required", "Age": "Expected `int`, got `str`"}
        self.assertEqual(problems(Person, {"name": "x", "Age": "x"}, QUERY), expected)

    def test_starting_field(self) -> None:
        """The field of the value itself is the prefix of all fields."""
        found = find_field_errors(Person, {"name": 1}, DECODED, "who")
        self.assertEqual([each.field for each in found], ["who.name", "who.address"])
        self.assertEqual(find_field_errors(list[int], ["x"], DECODED, "who")[0].field, "who[0]")

    def test_at_most_a_hundred(self) -> None:
        """At most a hundred errors are listed, and computing them takes no longer."""
        wrong = {str(number): "x" for number in range(50_000)}
        for kind in (dict[str, int], Address):
            self.assertEqual(len(find_field_errors(kind, wrong, DECODED)), MAX_FIELD_ERRORS)
        nested = {"address": wrong, "homes": {"a": wrong}}
        self.assertEqual(len(find_field_errors(Person, nested, DECODED)), MAX_FIELD_ERRORS)
        self.assertEqual(MAX_FIELD_ERRORS, 100)

    def test_short(self) -> None:
        """Quoted values are shortened."""
        long = "x" * 10_000
        values = [{long: {long: 1}}, {"a": {long: 1}}]
        for value in values:
            [problem] = find_field_errors(dict[str, dict[str, str]], value, DECODED)
            self.assertEqual((len(problem.field), problem.field[-1]), (300, "…"))
        [problem] = find_field_errors(Literal["a"], long, DECODED)
        self.assertEqual((len(problem.message), problem.message[-1]), (300, "…"))

    def test_not_json(self) -> None:
        """For bytes that are not JSON the exception of the decoder is raised."""
        self.assertRaises(msgspec.DecodeError, find_field_errors, Person, b"{", ENCODED)
        deep = b'{"branches":{"x":' * 5_000 + b"{}" + b"}}" * 5_000
        self.assertRaises(RecursionError, find_field_errors, Tree, deep, ENCODED)

    @given(
        st.dictionaries(
            st.sampled_from(["name", "address", "tags", "homes", "Age", "x"]),
            st.recursive(
                st.sampled_from([None, True, 0, -9, "", "x", 1.5]),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(st.sampled_from(["city", "zip", "a"]), inner, max_size=2)
                ),
                max_leaves=6,
            ),
        )
    )
    def test_agrees_with_the_decoder(self, value: dict[str, Any]) -> None:
        """There are errors exactly if the decoder rejects the value."""
        for form, data in ((DECODED, value), (ENCODED, msgspec.json.encode(value))):
            try:
                form.convert(data, Person)
                fits = True
            except msgspec.ValidationError:
                fits = False
            self.assertEqual(not find_field_errors(Person, data, form), fits)

    def test_problem_without_place(self) -> None:
        """An error without a path concerns the whole value."""
        self.assertEqual(find_field_errors(int, "x", DECODED), [FieldError("", "Expected `int`, got `str`")])

    def test_place_in_a_quoted_value(self) -> None:
        """A quoted value that looks like the place of an error is no place."""
        for text in ("x - at `$.y`", "x - at `$.y` - at `", " - at `key` in `$.z`"):
            [problem] = find_field_errors(dict[str, Literal["a"]], {"n": text}, DECODED)
            self.assertEqual(problem, FieldError("n", f"Invalid enum value '{text}'"))
