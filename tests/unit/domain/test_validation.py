"""What is wrong with a value, field by field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.validation import (
    DECODED,
    ENCODED,
    MAX_FIELD_ERRORS,
    QUERY,
    FieldError,
    InputFormat,
    find_field_errors,
)

Name = Annotated[str, Meta(min_length=1)]


class Address(Struct, forbid_unknown_fields=True):
    """Within another."""

    city: Name
    zip: int = 0


class Person(Struct):
    """With fields of all sorts."""

    name: Name
    address: Address
    tags: list[int] = []
    homes: dict[str, Address] = {}
    age: int = msgspec.field(default=0, name="Age")


class Span(Struct):
    """Checks itself."""

    low: int
    high: int

    def __post_init__(self) -> None:
        """Refuse what is the wrong way round."""
        if self.low > self.high:
            raise ValueError("low is above high")


class Trip(Struct):
    """Has one that checks itself."""

    length: int
    span: Span


class Cat(Struct, tag=True, forbid_unknown_fields=True):
    """Told by a tag."""

    lives: int


class Pair(Struct, array_like=True):
    """Comes as a list."""

    left: int
    right: int


class Tree(Struct):
    """Contains itself."""

    leaf: int = 0
    branches: dict[str, Tree] = {}


def problems(kind: Any, value: Any, form: InputFormat = DECODED) -> dict[str, str]:
    """What is wrong, by field."""
    data = msgspec.json.encode(value) if form is ENCODED else value
    found = find_field_errors(kind, data, form)
    fields = {each.field: each.message for each in found}
    assert len(fields) == len(found), found
    return fields


class ProblemTests(SynchronousTestCase):
    """Values that don't fit; each as plain data and as JSON."""

    def assert_problems(self, kind: Any, value: Any, expected: dict[str, str]) -> None:
        """Both forms give the same."""
        for form in (DECODED, ENCODED):
            self.assertEqual(problems(kind, value, form), expected)

    def test_nothing(self) -> None:
        """A value that fits has no problems."""
        self.assert_problems(Person, {"name": "Ada", "address": {"city": "Rome"}, "other": 1}, {})

    def test_all_at_once(self) -> None:
        """Every field that is wrong or missing is named, at every depth, not only the first."""
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
        """Where fields are expected and none can be, the value itself is named."""
        self.assert_problems(Person, [], {"": "Expected `object`, got `array`"})
        wrong = {"name": "x", "address": 7}
        self.assert_problems(Person, wrong, {"address": "Expected `object`, got `int`"})

    def test_unknown_fields(self) -> None:
        """A field that is not known matters only where the struct says so."""
        value = {"name": "x", "address": {"city": "x", "street": 1}, "more": 1}
        self.assert_problems(Person, value, {"address.street": "is unknown"})

    def test_whole_value(self) -> None:
        """A struct's own check is told of once its fields are right, and stands where the struct does."""
        self.assert_problems(Span, {"low": 2, "high": 1}, {"": "low is above high"})
        self.assert_problems(
            Trip, {"length": 1, "span": {"low": 2, "high": 1}}, {"span": "low is above high"}
        )
        self.assert_problems(Span, {"low": 2, "high": "x"}, {"high": "Expected `int`, got `str`"})

    def test_tagged(self) -> None:
        """A struct's tag is no unknown field."""
        self.assert_problems(Cat, {"type": "Cat", "lives": "9"}, {"lives": "Expected `int`, got `str`"})
        self.assert_problems(Cat, {"type": "Dog", "lives": 9}, {"type": "Invalid value 'Dog'"})

    def test_array(self) -> None:
        """A struct that comes as a list is not opened as if it had names."""
        self.assert_problems(Pair, [1, "x"], {"[1]": "Expected `int`, got `str`"})

    def test_annotated_dict(self) -> None:
        """What is said of a dict as a whole counts too, once its values are right."""
        kind = Annotated[dict[str, int], Meta(max_length=1)]
        self.assert_problems(kind, {"a": 1, "b": 2}, {"": "Expected `object` of length <= 1"})
        self.assert_problems(kind, {"a": 1, "b": "x"}, {"b": "Expected `int`, got `str`"})

    def test_keys(self) -> None:
        """Keys of a dict are checked as well."""
        [problem] = find_field_errors(dict[int, int], b'{"a":1}', ENCODED)
        self.assertIn("Expected `int`", problem.message)

    def test_text(self) -> None:
        """Values that come as text are converted before they are judged."""
        self.assertEqual(problems(Person, {"name": "x", "Age": "7", "address": {"city": "x"}}, QUERY), {})
        expected = {"address": "is required", "Age": "Expected `int`, got `str`"}
        self.assertEqual(problems(Person, {"name": "x", "Age": "x"}, QUERY), expected)

    def test_starting_field(self) -> None:
        """What is looked at may stand somewhere itself."""
        found = find_field_errors(Person, {"name": 1}, DECODED, "who")
        self.assertEqual([each.field for each in found], ["who.name", "who.address"])
        self.assertEqual(find_field_errors(list[int], ["x"], DECODED, "who")[0].field, "who[0]")

    def test_at_most_a_hundred(self) -> None:
        """However much is wrong, the explanation stays short, and takes no time to make."""
        wrong = {str(number): "x" for number in range(50_000)}
        for kind in (dict[str, int], Address):
            self.assertEqual(len(find_field_errors(kind, wrong, DECODED)), MAX_FIELD_ERRORS)
        nested = {"address": wrong, "homes": {"a": wrong}}
        self.assertEqual(len(find_field_errors(Person, nested, DECODED)), MAX_FIELD_ERRORS)
        self.assertEqual(MAX_FIELD_ERRORS, 100)

    def test_short(self) -> None:
        """What a peer has sent is quoted in part, however long it is."""
        long = "x" * 10_000
        values = [{long: {long: 1}}, {"a": {long: 1}}]
        for value in values:
            [problem] = find_field_errors(dict[str, dict[str, str]], value, DECODED)
            self.assertEqual((len(problem.field), problem.field[-1]), (300, "…"))
        [problem] = find_field_errors(Literal["a"], long, DECODED)
        self.assertEqual((len(problem.message), problem.message[-1]), (300, "…"))

    def test_not_json(self) -> None:
        """Bytes that are no JSON are for the caller of this to handle: they have no fields."""
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
        """There are problems exactly when the decoder refuses the value."""
        for form, data in ((DECODED, value), (ENCODED, msgspec.json.encode(value))):
            try:
                form.convert(data, Person)
                fits = True
            except msgspec.ValidationError:
                fits = False
            self.assertEqual(not find_field_errors(Person, data, form), fits)

    def test_problem_without_place(self) -> None:
        """A message that names no place is about the whole."""
        self.assertEqual(find_field_errors(int, "x", DECODED), [FieldError("", "Expected `int`, got `str`")])
