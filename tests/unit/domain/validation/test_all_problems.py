"""All problems of a value at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar

import msgspec
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.validation.formats import DECODED, ENCODED
from unixsvc.domain.validation.validator import find_field_errors

T = TypeVar("T")
NOT_INT = "Expected `int`, got `str`"
NOT_STR = "Expected `str`, got `int`"


class Item(Struct):
    """An item."""

    id: int
    name: str = ""


class Page(Struct, Generic[T]):
    """A generic struct."""

    items: list[T]
    first: T | None = None


class Cat(Struct, tag=True):
    """A member of a union."""

    lives: int
    name: str = ""


class Dog(Struct, tag=True, forbid_unknown_fields=True):
    """A member of a union."""

    friends: list[Cat | Dog] = []


class One(Struct, tag=1):
    """A member of a union with numbers as tags."""

    a: int


class Two(Struct, tag=2):
    """A member of a union with numbers as tags."""

    b: int


class Pair(Struct, array_like=True):
    """A struct that is encoded as a list."""

    left: int
    right: Item | None = None


class Left(Struct, array_like=True, tag=True):
    """A list with a tag."""

    left: int
    right: int = 0


class Row(NamedTuple):
    """A named tuple."""

    id: int
    item: Item


@dataclasses.dataclass
class Box(Generic[T]):
    """A dataclass."""

    content: T
    items: list[T] = dataclasses.field(default_factory=list)
    size: int = 0


class Record(TypedDict):
    """A TypedDict."""

    id: int
    name: NotRequired[str]


class AllProblemsTests(SynchronousTestCase):
    """Values with several problems, decoded and encoded."""

    def assert_problems(self, kind: Any, value: Any, *fields: str) -> None:
        """Exactly these fields have a problem, each one."""
        for form, data in ((DECODED, value), (ENCODED, msgspec.json.encode(value))):
            found = [each.field for each in find_field_errors(kind, data, form)]
            self.assertEqual(found, list(fields), f"{kind} {value}")

    def test_lists(self) -> None:
        """All items of lists, sets and tuples are searched."""
        for kind in (list[int], set[int], frozenset[int], tuple[int, ...], Sequence[int]):
            self.assert_problems(kind, [1, "x", 2, "y"], "[1]", "[3]")
        wrong = {"id": "x", "name": 1}
        self.assert_problems(list[Item], [wrong, {"id": 1}, {}, 7], "[0].id", "[0].name", "[2].id", "[3]")
        self.assert_problems(list[list[int]], [["x", 1], 7, [1, "y"]], "[0][0]", "[1]", "[2][1]")
        self.assert_problems(tuple[int, str, Item], ["x", 1, {"id": "x"}], "[0]", "[1]", "[2].id")
        self.assert_problems(Row, ["x", {"id": "y"}], "[0]", "[1].id")
        self.assert_problems(Pair, ["x", {"id": "y"}], "[0]", "[1].id")
        self.assert_problems(Left, ["Left", "x", "y"], "[1]", "[2]")

    def test_tuple_of_other_length(self) -> None:
        """The wrong length of a tuple is a problem if its items have none."""
        self.assert_problems(tuple[int, int], [1], "")
        self.assert_problems(tuple[int, int], ["x"], "[0]")

    def test_optional(self) -> None:
        """Optional values are searched, whatever their types."""
        wrong = {"id": "x", "name": 1}
        for kind in (Item | None, Annotated[Item | None, Meta(title="x")], NewType("N", Item) | None):
            self.assert_problems(kind, wrong, "id", "name")
            self.assert_problems(kind, 7, "")
        self.assert_problems(list[int] | None, ["x", 1, "y"], "[0]", "[2]")
        self.assert_problems(dict[str, int] | None, {"a": "x", "b": "y"}, "a", "b")

    def test_unions(self) -> None:
        """The kind of a value, or its tag, says to which member of a union it belongs."""
        kind = Item | list[int] | str | None
        self.assert_problems(kind, {"id": "x", "name": 1}, "id", "name")
        self.assert_problems(kind, ["x", "y"], "[0]", "[1]")
        self.assert_problems(kind, 1.5, "")
        self.assert_problems(Cat | Dog | int, {"type": "Cat", "lives": "x", "name": 1}, "lives", "name")
        friends = [{"type": "Cat", "lives": "x"}, {"type": "Dog", "a": 1, "friends": [{"type": "Cat"}]}]
        self.assert_problems(
            Cat | Dog,
            {"type": "Dog", "friends": friends},
            "friends[0].lives",
            "friends[1].friends[0].lives",
            "friends[1].a",
        )
        self.assert_problems(One | Two, {"type": 2, "a": "x", "b": "y"}, "b")

    def test_wrong_tags(self) -> None:
        """A wrong tag is the only problem of its object."""
        self.assert_problems(
            list[Cat | Dog], [{"type": "x"}, {"lives": 1}, {"type": 7}], "[0].type", "[1]", "[2].type"
        )
        self.assert_problems(Cat, {"type": "Dog", "lives": "x"}, "lives", "type")
        self.assert_problems(One | Two, {"type": "x"}, "type")

    def test_dicts(self) -> None:
        """All values of dicts and mappings are searched."""
        for kind in (dict[str, Item], Mapping[str, Item]):
            self.assert_problems(kind, {"a": {"id": "x"}, "b": {}, "c": {"id": 1}}, "a.id", "b.id")

    def test_generic(self) -> None:
        """Generic types are searched with their arguments."""
        self.assert_problems(
            Page[Item], {"items": [{"id": "x"}, {}], "first": 7}, "items[0].id", "items[1].id", "first"
        )
        self.assert_problems(
            Box[Item],
            {"content": {"id": "x"}, "items": [{}], "size": "x"},
            "content.id",
            "items[0].id",
            "size",
        )

    def test_classes(self) -> None:
        """Dataclasses and TypedDicts are searched as structs are."""
        self.assert_problems(Box[int], {"items": ["x"], "size": "x"}, "content", "items[0]", "size")
        self.assert_problems(list[Record], [{"name": 1}, {"id": "x"}], "[0].id", "[0].name", "[1].id")

    def test_first_of_each(self) -> None:
        """Of each field the first problem is listed."""
        kind = dict[str, Annotated[str, Meta(min_length=3, pattern="^a")]]
        [problem] = find_field_errors(kind, {"a": "x"}, DECODED)
        self.assertEqual(problem.message, "Expected `str` of length >= 3")

    def test_deep(self) -> None:
        """Deep in a value, only its first problem is found: the cost does not grow with the depth."""
        value: Any = {"type": "Dog", "friends": [{"type": "Cat", "lives": "x"}, {"type": "Cat"}]}
        for _ in range(20):
            value = {"type": "Dog", "friends": [value]}
        found = find_field_errors(Dog, msgspec.json.encode(value), ENCODED)
        self.assertEqual([each.message for each in found], [NOT_INT])
        self.assertTrue(found[0].field.startswith("friends[0].friends[0]."))
        self.assertTrue(found[0].field.endswith(".friends[0].lives"))

    def test_deep_and_large(self) -> None:
        """In a large value fewer levels are searched: what is decoded is a small multiple of its size."""
        decoded = 0

        def convert(value: Any, type_form: Any) -> Any:
            nonlocal decoded
            decoded += len(memoryview(value))
            return ENCODED.convert(value, type_form)

        form = msgspec.structs.replace(ENCODED, convert=convert)
        wrong = [{"type": "Cat", "lives": "x"}, {"type": "Cat", "lives": "y"}]
        for friends, levels, problems in ((0, 6, 2), (5_000, 1, 2), (5_000, 6, 1)):
            value: Any = {"type": "Dog", "friends": [*wrong, *[{"type": "Dog", "friends": []}] * friends]}
            for _ in range(levels):
                value = {"type": "Dog", "friends": [value]}
            encoded, decoded = msgspec.json.encode(value), 0
            self.assertEqual(len(find_field_errors(Dog, encoded, form)), problems, (friends, levels))
            if friends:
                self.assertLess(decoded, 10 * len(encoded))

    def test_few_of_many(self) -> None:
        """The problems of a long list and of a large object are found without a look at each valid item."""
        items: list[Any] = list(range(100_000))
        items[7] = items[50_000] = items[-1] = "x"
        self.assert_problems(list[int], items, "[7]", "[50000]", "[99999]")
        fields = {str(at): item for at, item in enumerate(items)}
        self.assert_problems(dict[str, int], fields, "7", "50000", "99999")
        found = find_field_errors(dict[int, Any], msgspec.json.encode({**fields, "x": 1, "y": 2}), ENCODED)
        self.assertEqual([each.field for each in found], ["x", "y"])

    def test_literal(self) -> None:
        """Values that are not listed are quoted."""
        [problem] = find_field_errors(list[Literal["a"]], ["a", "b"], DECODED)
        self.assertEqual((problem.field, problem.message), ("[1]", "Invalid enum value 'b'"))
