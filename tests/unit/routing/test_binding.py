"""Binding of requests to arguments."""

from __future__ import annotations

import enum
import functools
import math
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType

import msgspec
from msgspec import Meta
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.actions import (
    Box,
    Colour,
    Even,
    Limit,
    New,
    Record,
    Tree,
    Unit,
    binder,
    bound,
    taking,
)
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS
from unixsvc.errors import Invalid, Malformed
from unixsvc.routing.checks import Check
from unixsvc.routing.pattern import variables_of
from unixsvc.routing.signature import read_signature

UserId = NewType("UserId", int)
Share = NewType("Share", float)
Key = NewType("Key", uuid.UUID)


class Size(enum.IntEnum):
    """An enum of numbers."""

    SMALL = 1
    LARGE = 2


class Amount(enum.Enum):
    """Another one."""

    TWO = 2


class ArgumentTests(SynchronousTestCase):
    """The sources of arguments."""

    def test_none(self) -> None:
        """An action without parameters gets no arguments, and the data is not decoded."""
        self.assertEqual(bound(taking(), data=b"nonsense", query="%ff"), {})

    def test_sources(self) -> None:
        """Arguments come from the path, from the data, and from the request itself."""
        action = taking(rest=str, new=New, request=Request, id=int)
        request = Request("GET", "/", msgspec.Raw(b'{"name":"Pen","price":2}'))
        arguments = binder(action, "/{id:int}/{rest:path}")(request, [7, "a/b"])
        self.assertEqual(arguments.pop("request"), request)
        self.assertEqual(arguments, {"id": 7, "rest": "a/b", "new": New("Pen", 2.0)})

    def test_fields(self) -> None:
        """Other parameters are fields of the data, optional with a default; unknown fields are ignored."""
        # A parameter whose type is a struct would be all of data; a union with None is a field.
        action = taking(limit=(Limit, 20), q=(str, ""), unit=(Unit | None, None), colour=(Colour, Colour.RED))
        defaults = {"limit": 20, "q": "", "unit": None, "colour": Colour.RED}
        self.assertEqual(bound(action), defaults)
        self.assertEqual(
            bound(action, data=b'{"limit":3,"x":[1],"unit":{}}'), defaults | {"limit": 3, "unit": Unit()}
        )

    def test_default_that_changes(self) -> None:
        """A mutable default is copied for each call."""
        action = taking(ids=(list[int], []))
        each = binder(action)
        first = each(Request("GET", "/"), [])
        first["ids"].append(1)
        self.assertEqual(each(Request("GET", "/"), []), {"ids": []})

    def test_whole_data(self) -> None:
        """A dataclass, a TypedDict and a generic type take the whole data, as a struct does."""
        found = bound(taking(box=Box[int]), data=b'{"content":1,"tags":["a"],"x":1}')
        self.assertEqual(found, {"box": Box(1, ["a"])})
        record = bound(taking(record=Record), data=b'{"id":7}')
        self.assertEqual(record, {"record": {"id": 7}})
        found = bound(taking(box=Annotated[Box[New], "doc"]), data=b'{"content":{"name":"a","price":1}}')
        self.assertEqual(found["box"].content, New("a", 1.0))
        self.assertEqual(
            bound(taking(box=Box[int]), query="content=7&tags=a&tags=b")["box"], Box(7, ["a", "b"])
        )

    def test_encoded_names(self) -> None:
        """The encoded name of a field is used in the data."""
        self.assertEqual(bound(taking(new=New), data=b'{"name":"a","price":1,"Size":3}')["new"].size, 3)

    def test_method(self) -> None:
        """The ``self`` of a method is not a parameter."""

        class Controller:
            def show(self, id: int) -> int:
                return id

        self.assertEqual(bound(Controller().show, "/{id:int}", 7), {"id": 7})

    def test_wrapped(self) -> None:
        """A decorated action has the parameters of the wrapped function."""

        def show(id: int) -> int:
            return id

        @functools.wraps(show)
        def wrapper(*args: Any, **kwargs: Any) -> int:
            return show(*args, **kwargs)

        self.assertEqual(bound(wrapper, "/{id:int}", 7), {"id": 7})


class PathTests(SynchronousTestCase):
    """Path variables whose annotation is narrower than the type in the pattern."""

    def assert_invalid(self, kind: Any, pattern: str, value: Any, message: str) -> None:
        """The value is invalid, with an error for the variable."""
        with self.assertRaises(Invalid) as caught:
            bound(taking(id=kind), pattern, value)
        self.assertEqual(caught.exception.detail, [{"field": "id", "message": message}])

    def test_as_they_are(self) -> None:
        """Values of the pattern's type are passed without conversion."""
        for kind, pattern, value in (
            (int, "/{id:int}", 7), (float, "/{id:float}", 7.5), (str, "/{id}", "x"),
            (str, "/{id:path}", "x/y"), (uuid.UUID, "/{id:uuid}", uuid.UUID(int=7)),
        ):  # fmt: skip
            self.assertEqual(bound(taking(id=kind), pattern, value), {"id": value})

    def test_what_a_variable_can_become(self) -> None:
        """A value of the pattern's type is converted to the annotated type."""
        number = uuid.UUID(int=7)
        for kind, pattern, value, expected in (
            (Size, "/{id:int}", 2, Size.LARGE), (Amount, "/{id:int}", 2, Amount.TWO),
            (UserId, "/{id:int}", 7, 7), (Annotated[UserId, Meta(ge=1)], "/{id:int}", 7, 7),
            (Literal[1, 2], "/{id:int}", 2, 2), (Literal[1, "a"], "/{id:int}", 1, 1),
            (int | None, "/{id:int}", 7, 7), (int | str, "/{id:int}", 7, 7), (Any, "/{id:int}", 7, 7),
            (float, "/{id:int}", 7, 7.0), (Decimal, "/{id:int}", 7, Decimal(7)),
            (Share, "/{id:float}", 0.5, 0.5), (Decimal, "/{id:float}", 0.5, Decimal("0.5")),
            (Key, "/{id:uuid}", number, number), (Key | None, "/{id:uuid}", number, number),
            (Annotated[Key, "doc"], "/{id:uuid}", number, number),
            (UserId, "/{id}", "7", 7), (Size, "/{id}", "2", Size.LARGE), (Literal[1, 2], "/{id}", "2", 2),
            (Decimal, "/{id}", "1.50", Decimal("1.50")), (Amount, "/{id:path}", "2", Amount.TWO),
            (date, "/{id}", "2026-01-02", date(2026, 1, 2)), (timedelta, "/{id}", "P1D", timedelta(days=1)),
            (bytes, "/{id}", "YQ==", b"a"), (bool | None, "/{id}", "null", None),
        ):  # fmt: skip
            found = bound(taking(id=kind), pattern, value)
            self.assertEqual(found, {"id": expected}, f"{kind} {pattern}")
            self.assertIs(type(found["id"]), type(expected))

    def test_what_it_cannot_become(self) -> None:
        """A value that does not fit the annotated type is invalid."""
        self.assert_invalid(Size, "/{id:int}", 7, "Invalid enum value 7")
        self.assert_invalid(Literal[1, 2], "/{id:int}", 3, "Invalid enum value 3")
        self.assert_invalid(Annotated[UserId, Meta(ge=1)], "/{id:int}", 0, "Expected `int` >= 1")
        self.assert_invalid(Literal[1, 2], "/{id}", "3", "Invalid enum value 3")

    def test_new_types_are_not_converted(self) -> None:
        """A NewType of the pattern's type costs nothing."""
        for kind, pattern in ((UserId, "/{id:int}"), (Key, "/{id:uuid}"), (NewType("Slug", str), "/{id}")):
            signature = read_signature(taking(id=kind), variables_of(pattern), "GET /")
            self.assertEqual(signature.refined, ())

    def test_text_to_what_is_wanted(self) -> None:
        """A text is converted to the annotated type."""
        for kind, text, value in (
            (int, "7", 7), (float, "7.5", 7.5), (bool, "true", True), (Colour, "red", Colour.RED),
            (Literal["a", "b"], "b", "b"), (Limit, "100", 100), (int | None, "3", 3),
            (uuid.UUID, str(uuid.UUID(int=7)), uuid.UUID(int=7)),
        ):  # fmt: skip
            found = bound(taking(id=kind), "/{id}", text)
            self.assertEqual((found, type(found["id"])), ({"id": value}, type(value)))

    def test_text_that_is_something_else(self) -> None:
        """A text that cannot be converted is invalid."""
        self.assert_invalid(int, "/{id}", "x", "Expected `int`, got `str`")
        self.assert_invalid(Colour, "/{id}", "blue", "Invalid enum value 'blue'")
        for text in ("nan", "inf", "-Infinity"):
            self.assert_invalid(float, "/{id}", text, "Expected a finite number")

    def test_limits(self) -> None:
        """Constraints of the annotation are checked."""
        self.assertEqual(bound(taking(id=Limit), "/{id:int}", 100), {"id": 100})
        self.assert_invalid(Limit, "/{id:int}", 101, "Expected `int` <= 100")
        self.assert_invalid(Even, "/{id:int}", 7, "7 is odd")
        self.assertEqual(bound(taking(id=Even), "/{id:int}", 8), {"id": 8})


class BindingTestCase(SynchronousTestCase):
    """A test of calls with invalid arguments."""

    def assert_problems(self, problems: dict[str, str], *args: Any, **kwargs: Any) -> None:
        """The call raises 422 with errors for these fields."""
        with self.assertRaises(Invalid) as caught:
            bound(*args, **kwargs)
        self.assertEqual({each["field"]: each["message"] for each in caught.exception.detail}, problems)
        self.assertEqual(len(caught.exception.detail), len(problems))


class InvalidTests(BindingTestCase):
    """Invalid arguments."""

    def test_all_at_once(self) -> None:
        """Errors of path and data are reported together."""
        self.assert_problems(
            {
                "id": "Expected `int` <= 100",
                "a": "Expected `int`, got `str`",
                "b": "is required",
                "c[1]": "Expected `str`, got `int`",
            },
            taking(id=Limit, a=int, b=str, c=(list[str], [])),
            "/{id:int}",
            101,
            data=b'{"a":"x","c":["x",1]}',
        )

    def test_whole(self) -> None:
        """The same for a struct that takes the whole data."""
        self.assert_problems(
            {"name": "Expected `str` of length >= 1", "price": "is required", "more": "is unknown"},
            taking(new=New),
            data=b'{"name":"","more":1}',
        )

    def test_whole_of_other_types(self) -> None:
        """The same for a dataclass and a TypedDict."""
        self.assert_problems(
            {"content": "is required", "tags[0]": "Expected `str`, got `int`"},
            taking(box=Box[int]),
            data=b'{"tags":[1]}',
        )
        self.assert_problems(
            {"id": "is required", "name": "Expected `str` of length >= 1"},
            taking(record=Record),
            data=b'{"name":""}',
        )

    def test_whole_with_a_check(self) -> None:
        """A check of the whole data has an empty field name."""
        kind = Annotated[New, Check(lambda new: new.size, message="it has no size")]
        data = b'{"name":"a","price":1}'
        self.assert_problems({"": "it has no size"}, taking(new=kind), data=data)

    def test_whole_that_checks_itself(self) -> None:
        """A ValueError of a struct's own check has an empty field name."""
        data = b'{"name":"air","price":2}'
        self.assert_problems({"": "air is not worth that"}, taking(new=New), data=data)

    def test_path_and_checks_of_data(self) -> None:
        """The errors of checks are reported together with the others."""
        action = taking(id=Limit, even=Even, evens=(list[Even], []))
        self.assert_problems(
            {"id": "Expected `int` >= 1", "even": "3 is odd", "evens[1]": "5 is odd"},
            action,
            "/{id:int}",
            0,
            data=b'{"even":3,"evens":[4,5]}',
        )

    def test_checks_and_conversions(self) -> None:
        """The errors of checks and of types are listed together, in the order of the fields."""
        action = taking(
            id=Even, a=int, even=Even, evens=list[Even], unit=Unit | None, more=(Even | None, None)
        )
        self.assert_problems(
            {
                "id": "1 is odd",
                "a": "is required",
                "even": "3 is odd",
                "evens[0]": "5 is odd",
                "evens[1]": "Expected `int`, got `str`",
                "evens[2]": "7 is odd",
                "unit.unit": "Expected `str`, got `int`",
                "more": "9 is odd",
            },
            action,
            "/{id:int}",
            1,
            data=b'{"even":3,"evens":[5,"x",7,8],"unit":{"unit":1},"more":9}',
        )
        self.assert_problems(
            {"a": "Expected `int`, got `str`", "even": "3 is odd"},
            taking(a=int, even=Even),
            query="a=x&even=3",
        )

    def test_decimals(self) -> None:
        """A decimal is a finite number, wherever it comes from, and checks see no other."""
        positive = Annotated[Decimal, Check(lambda value: value > 0, message="{value} is not positive")]
        action = taking(id=Decimal, a=positive, b=(positive, Decimal(1)), c=(list[Decimal], []))
        text = "Expected a finite number"
        problems = {"id": text, "a": text, "b": "-1 is not positive", "c[1]": text}
        data = b'{"a":"NaN","b":"-1","c":["1.5","1_0"]}'
        self.assert_problems(problems, action, "/{id}", "1_0", data=data)
        self.assert_problems(problems, action, "/{id}", "-Infinity", query="a=NaN&b=-1&c=1.5&c=1_0")
        found = bound(action, "/{id}", "1.50", data=b'{"a":"2e3","b":1.25,"c":[-1,"+3"]}')
        self.assertEqual(
            found, {"id": Decimal("1.50"), "a": 2000, "b": Decimal("1.25"), "c": [Decimal(-1), Decimal(3)]}
        )
        self.assertEqual(bound(action, "/{id}", "1", query="a=1&c=1")["c"], [Decimal(1)])

    def test_malformed_beside_decimals(self) -> None:
        """Data that is not JSON is malformed, also for types with decimals."""
        for data in (b'{"a":"NaN"', b'{"a":"\xff"}'):
            self.assertRaises(Malformed, bound, taking(a=Decimal), data=data)

    def test_no_object(self) -> None:
        """Data that is JSON but not an object is invalid, not malformed."""
        for action in (taking(new=New), taking(a=(int, 0))):
            self.assert_problems({"": "Expected `object`, got `null`"}, action, data=b"null")

    def test_at_most_a_hundred(self) -> None:
        """The number of reported errors is limited, whatever found them."""
        with self.assertRaises(Invalid) as caught:
            bound(taking(evens=list[Even]), data=msgspec.json.encode({"evens": [1] * 50_000}))
        self.assertEqual(len(caught.exception.detail), MAX_FIELD_ERRORS)

    def test_malformed(self) -> None:
        """Data that is not JSON, or nested too deeply, is malformed."""
        for action, data in (
            (taking(new=New), b'{"name":"\xff","price":1}'),
            (taking(new=New), b'{"name":'),
            (taking(tree=Tree), b'{"branches":' + b'[{"branches":' * 5_000 + b"[]" + b"}]" * 5_000 + b"}"),
            (taking(a=dict[str, Any]), b'{"a":' + b'{"x":' * 100_000 + b"1" + b"}" * 100_000 + b"}"),
            (taking(a=(int, 0)), b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
            (taking(a=int, b=list[Any]), b'{"a":"x","b":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ):
            with self.assertRaises(Malformed) as caught:
                bound(action, data=data)
            self.assertEqual(caught.exception.detail, "data: is not JSON")


class QueryTests(BindingTestCase):
    """Arguments from the query."""

    def test_lax(self) -> None:
        """Query texts are unescaped and converted to the annotated types."""
        action = taking(limit=(Limit, 20), q=(str, ""), only=(bool, False), colour=(Colour | None, None))
        found = bound(action, query="limit=5&q=a%20b%26+c%C3%A9&only=true&colour=red&other=1")
        self.assertEqual(found, {"limit": 5, "q": "a b& cé", "only": True, "colour": Colour.RED})
        self.assertEqual(bound(action, query="q"), bound(action))
        self.assertEqual(bound(taking(a=(int | None, 3)), query="a=4"), {"a": 4})

    def test_whole(self) -> None:
        """A struct for the whole data can come from the query."""
        self.assertEqual(bound(taking(new=New), query="name=a&price=1&Size=2")["new"], New("a", 1.0, 2))
        self.assert_problems(
            {"price": "is required", "more": "is unknown"}, taking(new=New), query="name=a&more=1"
        )

    def test_repeated(self) -> None:
        """The last of several values counts, unless the type is a list."""
        for kind in (list[int], list[int] | None, Annotated[list[int], Meta(max_length=3)], Sequence[int]):
            self.assertEqual(bound(taking(a=kind), query="a=1&b=5&a=2"), {"a": [1, 2]})
            self.assertEqual(bound(taking(a=kind), query="a=1"), {"a": [1]})
        self.assertEqual(bound(taking(a=list), query="a=1&a=2"), {"a": ["1", "2"]})
        self.assertEqual(bound(taking(a=set[int]), query="a=1&a=1"), {"a": {1}})
        self.assertEqual(bound(taking(a=tuple[int, str]), query="a=1&a=2"), {"a": (1, "2")})
        self.assertEqual(bound(taking(a=int), query="a=1&a=2"), {"a": 2})

    def test_invalid(self) -> None:
        """Values that cannot be converted are reported by field."""
        action = taking(limit=(Limit, 20), only=(bool, False), ids=(list[int], []), a=int)
        self.assert_problems(
            {
                "limit": "Expected `int` >= 1",
                "only": "Expected `bool`, got `str`",
                "ids[1]": "Expected `int`, got `str`",
                "a": "is required",
            },
            action,
            query="limit=0&only=perhaps&ids=1&ids=b&x=",
        )

    def test_empty(self) -> None:
        """An empty field counts as absent if it has a default and its type has no empty value."""
        for kind in (
            int, int | None, float, bool, datetime, uuid.UUID, Literal["a"], list[int], set[int] | None,
            Colour, tuple[int, ...], Annotated[list[int], Meta(min_length=1)],
            Annotated[str, Meta(min_length=1)],
        ):  # fmt: skip
            self.assertEqual(
                bound(taking(a=(kind, None), b=(str, "")), query="a=&b=x"), {"a": None, "b": "x"}
            )
        self.assertEqual(bound(taking(a=(list[int], [])), query="a=&a=5&a="), {"a": [5]})
        self.assertEqual(bound(taking(a=(int, 7)), query="a=5&a="), {"a": 5})
        self.assertEqual(bound(taking(new=New), query="name=a&price=1&Size=")["new"], New("a", 1.0))

    def test_empty_text(self) -> None:
        """An empty field is a value of a type that has an empty one; a required field is never absent."""
        for kind, value in (
            (str, ""), (str | None, ""), (int | str, ""), (Any, ""), (bytes | None, b""),
            (Literal["", "a"], ""), (list[str], [""]), (list, [""]), (Literal["", "a"] | None, ""),
        ):  # fmt: skip
            self.assertEqual(bound(taking(a=(kind, None)), query="a="), {"a": value})
        self.assert_problems({"a": "Expected `int`, got `str`"}, taking(a=int), query="a=")
        self.assert_problems(
            {"a[0]": "Expected `int`, got `str`"}, taking(a=(tuple[int, int], ())), query="a=&a=1"
        )

    def test_checkbox(self) -> None:
        """The ``on`` of a checkbox is true, and stays a text for other types."""
        for flag in (bool, bool | None):
            self.assertEqual(bound(taking(a=(flag, False)), query="a=on"), {"a": True})
        self.assertEqual(bound(taking(a=list[bool]), query="a=on&a=false"), {"a": [True, False]})
        for kind in (str, bool | str, Literal["on"]):
            self.assertEqual(bound(taking(a=kind), query="a=on"), {"a": "on"})
        self.assert_problems({"a": "Expected `bool`, got `str`"}, taking(a=bool), query="a=off")

    def test_endless_numbers(self) -> None:
        """Infinity and NaN in a query are refused; they are allowed as defaults."""
        action = taking(a=(float, math.inf), b=(list[float], []), c=(float | None, None))
        self.assertEqual(bound(action, query="b=1.5"), {"a": math.inf, "b": [1.5], "c": None})
        message = "Expected a finite number"
        self.assert_problems(
            {"a": message, "b[1]": message, "c": message}, action, query="a=inf&b=1&b=nan&c=-inf"
        )

    def test_only_without_data(self) -> None:
        """The query is used only if there is no data."""
        action = taking(a=(int, 0))
        self.assertEqual(bound(action, data=b"{}", query="a=1"), {"a": 1})
        self.assertEqual(bound(action, data=b'{"b":1}', query="a=1"), {"a": 0})

    def test_malformed(self) -> None:
        """A query that is not UTF-8, or has too many fields, is malformed."""
        for query in ("a=%ff", "%C3=1", "&".join(f"x{number}=1" for number in range(2_000))):
            with self.assertRaises(Malformed):
                bound(taking(a=(str, "")), query=query)
