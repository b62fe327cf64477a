"""Checks of the application."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TypedDict,
    TypeVar,
    get_args,
)

import msgspec
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.routing.checks import Check, checker_for

Item = TypeVar("Item")


def is_code(value: str, country: str = "DE") -> bool:
    """Whether it begins with the country; refuses what has no digits in its own way."""
    int(value[2:])
    return value.startswith(country)


Code = Annotated[str, Check(is_code, message="{value!r} is no code of {country}", country="DE")]
BAD = "'FR1' is no code of DE"


class Inner(Struct):
    """A field of another."""

    code: Code = msgspec.field(default="DE1", name="Code")


class Outer(Struct):
    """Checks at several depths."""

    inner: Inner
    maybe: Inner | None = None
    plain: int = 0


class Tree(Struct):
    """Contains itself."""

    code: Code
    branches: list[Tree] = []
    twin: Tree | None = None


class Plain(Struct):
    """Contains itself, and has no checks."""

    branches: list[Plain] = []


class Box(Struct, Generic[Item]):
    """Of anything."""

    item: Item


@dataclasses.dataclass
class Branch:
    """Contains itself, and has no checks."""

    branches: list[Branch]


class Twig(Struct, array_like=True):
    """The same as an array."""

    twigs: list[Twig]


Named = NewType("Named", Code)


class Row(NamedTuple):
    """No struct."""

    code: Code


class Table(TypedDict):
    """No struct."""

    code: Code


@dataclasses.dataclass
class Record:
    """No struct."""

    code: Code


@dataclasses.dataclass
class Crate(Generic[Item]):
    """No struct, and of anything."""

    item: Item


def problems(kind: Any, value: Any, field: str = "") -> dict[str, str]:
    """The errors of checks by field."""
    checker = checker_for(kind)
    assert checker is not None
    return {each.field: each.message for each in checker(value, field)}


class CheckTests(SynchronousTestCase):
    """A single check."""

    def test_passes(self) -> None:
        """A check that returns True reports no error."""
        self.assertEqual(problems(Code, "DE1", "a"), {})

    def test_fails(self) -> None:
        """A check that returns False reports its message with the value and the parameters."""
        self.assertEqual(problems(Code, "FR1", "a"), {"a": BAD})

    def test_value_error(self) -> None:
        """A ValueError counts as False."""
        self.assertEqual(problems(Code, "DEX", "a"), {"a": "'DEX' is no code of DE"})

    def test_other_errors(self) -> None:
        """Other exceptions of a check propagate."""
        self.assertRaises(TypeError, problems, Code, 7, "a")

    def test_message_is_checked(self) -> None:
        """A message with an unknown placeholder is refused when it is declared."""
        for message in ("{nation}", "{value} {nation.name}", "{nation[0]}", "{}", "{0}"):
            with self.assertRaises(ConfigError) as caught:
                Check(is_code, message=message, country="DE")
            self.assertIn("Check(is_code): the message contains", str(caught.exception))
        Check(is_code, message="{{nation}} {value!r:>3} {country.x}", country="DE")

    def test_parameter_named_value(self) -> None:
        """A parameter cannot be named ``value``."""
        self.assertRaises(ConfigError, Check, is_code, message="x", value=3)

    def test_braces_in_values(self) -> None:
        """Braces in a value are not format fields."""
        kind = Annotated[str, Check(lambda value: False, message="{value}!")]
        self.assertEqual(problems(kind, "{country} {0} {", "a"), {"a": "{country} {0} {!"})


class GatherTests(SynchronousTestCase):
    """Checks inside types."""

    def test_none(self) -> None:
        """Types without checks have no checker."""
        for kind in (
            int, str, list[int], Plain, dict[str, Plain], Literal["a"], Any, Annotated[int, Meta(ge=1)],
            Box[int], int | None, tuple[int, ...], Sequence[int], Branch, Twig,
        ):  # fmt: skip
            self.assertIsNone(checker_for(kind), kind)

    def test_several(self) -> None:
        """The first check of a value that fails is reported, beside constraints and in nested annotations."""
        never = Check(lambda value: False, message="never")
        kind = Annotated[
            Annotated[str, Check(lambda value: False, message="inner")], Meta(min_length=1), never
        ]
        checker = checker_for(kind)
        assert checker is not None
        self.assertEqual([each.message for each in checker("x", "a")], ["inner"])

    def test_fields(self) -> None:
        """The errors of fields have the encoded names."""
        value = Outer(Inner("FR1"), Inner("FR1"))
        self.assertEqual(problems(Outer, value), {"inner.Code": BAD, "maybe.Code": BAD})
        self.assertEqual(problems(Outer, Outer(Inner()), "x"), {})
        self.assertEqual(problems(Outer, value, "x"), {"x.inner.Code": BAD, "x.maybe.Code": BAD})

    def test_items(self) -> None:
        """Items are checked."""
        for kind in (
            list[Code],
            tuple[Code, ...],
            Annotated[list[Code], Meta(max_length=3)],
            list[Code] | None,
        ):
            self.assertEqual(problems(kind, ["DE1", "FR1"], "a"), {"a[1]": BAD})
        for either in (set[Code], frozenset[Code]):
            self.assertEqual(problems(either, {"FR1"}, "a"), {"a[0]": BAD})
        self.assertEqual(problems(list[list[Inner]], [[], [Inner("FR1")]], "a"), {"a[1][0].Code": BAD})

    def test_values(self) -> None:
        """Values of dicts are checked."""
        self.assertEqual(problems(dict[str, Code], {"x": "DE1", "y": "FR1"}, "a"), {"a.y": BAD})

    def test_generic(self) -> None:
        """A generic struct is searched with its arguments."""
        self.assertEqual(problems(Box[Code], Box("FR1"), "a"), {"a.item": BAD})

    def test_named(self) -> None:
        """The check of a NewType is that of its type."""
        for kind in (Named, list[Named] | None, NewType("Again", Named)):
            self.assertIn(BAD, problems(kind, ["FR1"] if get_args(kind) else "FR1").values())

    def test_none_beside(self) -> None:
        """None is allowed beside a checked type."""
        for kind in (Code | None, Optional[Code], None | Code):  # noqa: UP045  # both forms
            self.assertEqual(problems(kind, None, "a"), {})
            self.assertEqual(problems(kind, "FR1", "a"), {"a": BAD})

    def test_type_that_contains_itself(self) -> None:
        """Recursive structs are checked at each depth."""
        value = Tree("DE1", [Tree("FR1", [Tree("DE1", [], Tree("FR1"))])])
        self.assertEqual(
            problems(Tree, value), {"branches[0].code": BAD, "branches[0].branches[0].twin.code": BAD}
        )

    def test_unsupported_position(self) -> None:
        """A check in an unsupported position is refused."""
        for kind in (Code | int, Sequence[Code], Mapping[str, Code], tuple[Code, int], tuple[int, Code],
                     dict[Code, int], Row, Table, Record, list[Record], Crate[Code],
                     Inner | int | None):  # fmt: skip
            self.assertRaises(TypeError, checker_for, kind)


class CostTests(SynchronousTestCase):
    """The size of an error report is limited, whatever a peer sends."""

    def test_long_key(self) -> None:
        """Long keys in field names are shortened."""
        check = checker_for(dict[str, list[Annotated[int, Check(bool, message="{value}")]]])
        assert check is not None
        [problem] = check({"k" * 100_000: [0]}, "tags")
        self.assertLessEqual(len(problem.field), 300)

    def test_long_value(self) -> None:
        """Long values in messages are shortened."""
        check = checker_for(Annotated[str, Check(str.isdigit, message="{value} is no number")])
        assert check is not None
        [problem] = check("x" * 100_000, "number")
        self.assertLessEqual(len(problem.message), 300)

    def test_lazy(self) -> None:
        """Of a million invalid items only as many are checked as errors are requested."""
        seen: list[int] = []

        def never(value: int) -> bool:
            seen.append(value)
            return False

        check = checker_for(list[Annotated[int, Check(never, message="no")]])
        assert check is not None
        problems = check(list(range(1_000_000)), "")
        self.assertEqual([next(problems).field for _ in range(3)], ["[0]", "[1]", "[2]"])
        self.assertEqual(len(seen), 3)
