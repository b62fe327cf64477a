"""Routes that can never work."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType

import svcs
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.actions import Box, Colour, Even, New, Odd, Record, Unfinished, Unit, binder, taking
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError

Price = Annotated[Decimal, Meta(gt=0)]


class Item(Struct):
    """Its price cannot have that bound."""

    name: str
    price: Price


class Order(Struct):
    """Has such items."""

    number: int
    items: list[Item]


class WrongTableTests(SynchronousTestCase):
    """Actions that can never be called are refused when the table is built."""

    def assert_refused(self, action: Callable[..., Any], *words: str, pattern: str = "/x") -> None:
        """The error names the route and contains these words."""
        with self.assertRaises(ConfigError) as caught:
            binder(action, pattern)
        self.assertEqual(caught.exception.where, f"GET {pattern}")
        for word in words:
            self.assertIn(word, caught.exception.problem)

    def test_unknown_variable(self) -> None:
        """The action has no parameter for a path variable."""
        self.assert_refused(
            taking(number=int), "no parameter for the path variable 'id'", pattern="/{id:int}"
        )

    def test_no_annotations(self) -> None:
        """A parameter or the return value has no annotation."""
        action = taking(a=int, b=int)
        del action.__annotations__["b"]
        self.assert_refused(action, "the parameter 'b' has no annotation")
        action = taking(a=int)
        del action.__annotations__["return"]
        self.assert_refused(action, "the return value has no annotation")
        self.assert_refused(lambda: 0, "the return value has no annotation")

    def test_unresolvable_annotations(self) -> None:
        """An annotation cannot be resolved."""
        for text in ("Nonsense", "math.nonsense", "int[", "date", "int[str]"):
            self.assert_refused(taking(a=text), "annotation cannot be resolved")
        self.assert_refused(functools.partial(taking(a=int), a=3), "annotation cannot be resolved")

    def test_kinds(self) -> None:
        """The type of a variable differs between pattern and action."""
        kinds: list[tuple[str, Any]] = [
            ("int", str), ("int", bool), ("int", Colour), ("int", uuid.UUID), ("int", date), ("float", int),
            ("float", str), ("uuid", str), ("uuid", int), ("str", dict), ("path", Unit), ("str", Box),
        ]  # fmt: skip
        for kind, wanted in kinds:
            words = f"'id' is {kind} in the path, {wanted.__name__} in the action"
            self.assert_refused(taking(id=wanted), words, pattern=f"/{{id:{kind}}}")
        for kind, other in (
            ("int", Literal["a"]),
            ("int", str | None),
            ("str", list[int]),
            ("uuid", NewType("N", str)),
        ):
            self.assert_refused(taking(id=other), "in the action", pattern=f"/{{id:{kind}}}")

    def test_two_of_a_sort(self) -> None:
        """Two parameters would take the whole data, the request, or the container."""
        for kind, other in ((New, Unit), (Request, Request), (svcs.Container, svcs.Container)):
            self.assert_refused(taking(a=kind, b=other), "'a' and 'b' would have the same value")

    def test_nothing_left(self) -> None:
        """A parameter remains beside one that takes the whole data."""
        for kind in (New, Box[int], Record):
            self.assert_refused(taking(new=kind, limit=(int, 3)), "'new' takes the whole data", "'limit'")

    def test_parameters_without_names(self) -> None:
        """A parameter cannot be passed by name."""

        def positions(*names: str) -> int:
            return 0

        def others(**names: str) -> int:
            return 0

        def first(a: int, /) -> int:
            return a

        for action, name in ((positions, "names"), (others, "names"), (first, "a")):
            self.assert_refused(action, f"the parameter {name!r} cannot be passed by name")

    def test_types(self) -> None:
        """A type of the path or the data cannot be decoded from JSON, also inside another type."""
        kinds: list[Any] = [
            Odd, list[Odd], Odd | None, Request | None, int | New | Unit, Unfinished, complex, dict[Odd, int],
            Box[Odd], Annotated[Odd, Meta(extra_json_schema={"type": "string"})], type, Callable[[], int],
        ]  # fmt: skip
        for kind in kinds:
            self.assert_refused(taking(a=kind), "the parameter 'a' cannot be decoded from JSON")
            self.assert_refused(taking(id=kind), "cannot be decoded from JSON", pattern="/{id}")

    def test_texts_about_types(self) -> None:
        """The error names the type, and nothing that only msgspec has."""
        for kind in (Odd, list[Odd], dict[Odd, int], Box[Odd]):
            with self.assertRaises(ConfigError) as caught:
                binder(taking(a=kind))
            self.assertIn("the type Odd has no form in JSON; use a Struct", str(caught.exception))
            self.assertNotIn("hook", str(caught.exception))
            self.assertNotIn("extra_json_schema", str(caught.exception))

    def test_meta_of_another_type(self) -> None:
        """A bound that its type does not allow is named with its field, also inside other types."""
        kinds: list[tuple[Any, str]] = [
            (Price, "a"), (Item, "Item.price"), (Order, "Item.price"),
            (dict[str, Order | None], "Item.price"),
        ]  # fmt: skip
        for kind, place in kinds:
            self.assert_refused(
                taking(a=kind), f"the Meta of {place} does not fit its type: Can only set `gt`"
            )
        with self.assertRaises(ConfigError) as caught:
            binder(taking(a=Item))
        self.assertEqual(caught.exception.remedy, "use a Check instead")

    def test_default_that_changes(self) -> None:
        """A mutable default could be changed by a call."""
        self.assert_refused(taking(a=(list[int], [1])))

    def test_checks_that_cannot_work(self) -> None:
        """A check is in a position that is not supported."""
        self.assert_refused(taking(a=Even | str), "a Check inside a union")
        self.assert_refused(taking(id=Even | str), "a Check inside a union", pattern="/{id}")
        self.assert_refused(taking(a=Sequence[Even]), "is not supported")
