"""The names of schemas."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Any, Generic, Literal, TypedDict, TypeVar

import msgspec
from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.contract.model import Contract, referenced_schema
from unixsvc.contract.names import unique_names
from unixsvc.rest.openapi.document import describe
from unixsvc.routing.route import GET
from unixsvc.stubs.module import client_name, write_module

T = TypeVar("T")


class Page(Struct, Generic[T]):
    """A page."""

    items: list[T]


Pages: Any = Page  # its arguments are made by functions


@dataclasses.dataclass
class Sheet(Generic[T]):
    """A dataclass."""

    items: list[T]


def item(module: str, name: str = "Item", **fields: Any) -> Any:
    """A struct of some module."""
    return msgspec.defstruct(name, list(fields.items()) or [("id", int)], module=module)


def struct() -> Any:
    """A struct; each is another one, with the same name and module."""

    class Item(Struct):
        id: int

    return Item


def dataclass() -> Any:
    """A dataclass; each is another one."""

    @dataclasses.dataclass
    class Item:
        id: int

    return Item


def enumeration() -> Any:
    """An enum; each is another one."""

    class Item(enum.Enum):
        A = "a"

    return Item


def typed_dict() -> Any:
    """A TypedDict; each is another one."""

    class Item(TypedDict):
        id: int

    return Item


def contract_of(*types: Any) -> Contract:
    """The contract of an application with a result of each type."""

    def make(kind: Any) -> Any:
        def action() -> Any:
            raise NotImplementedError

        action.__annotations__["return"] = kind
        return action

    routes = [GET(f"/{number}", make(kind)) for number, kind in enumerate(types)]
    return Serving(*routes).router.contract()


def names_of(*types: Any) -> list[str]:
    """The names of the schemas of the results."""
    contract = contract_of(*types)
    found = [referenced_schema(route.result) for route in contract.application_routes]
    assert all(name in contract.schemas for name in found), found
    return found


class NameTests(SynchronousTestCase):
    """Names of types."""

    def test_plain(self) -> None:
        """A type has its own name, and a generic one that of its arguments behind it."""
        one: Any = item("a")
        self.assertEqual(names_of(one, Pages[one], Pages[int]), ["Item", "Page_Item", "Page_int"])
        containers = names_of(Pages[list[one]], Sheet[dict[str, int]])
        self.assertEqual(containers, ["Page_list_Item", "Sheet_dict_str_int"])
        self.assertEqual(
            names_of(Pages[one | None], Pages[Literal["a", 1]]), ["Page_Item_or_None", "Page_a_1"]
        )

    def test_modules(self) -> None:
        """Types of one name have the names of their modules, also as arguments of a generic type."""
        one, two = item("a"), item("b.c")
        self.assertEqual(names_of(one, two), ["a.Item", "b.c.Item"])
        kinds: list[tuple[Any, str]] = [(Page, "Page"), (Sheet, "Sheet")]
        for kind, name in kinds:
            expected = [f"{name}_a.Item", f"{name}_b.c.Item", f"{name}_int"]
            self.assertEqual(names_of(kind[one], kind[two], kind[int]), expected)

    def test_factories(self) -> None:
        """Types that a factory has made are numbered: structs, dataclasses, enums and TypedDicts."""
        for make in (struct, dataclass, enumeration, typed_dict):
            one, two, three = make(), make(), make()
            self.assertEqual(names_of(one, two, one, three), ["Item", "Item_2", "Item", "Item_3"])
        one, two = struct(), struct()
        self.assertEqual(names_of(Pages[one], Pages[two]), ["Page_Item", "Page_Item_2"])

    def test_both(self) -> None:
        """Numbers and modules go together, and no name is used twice."""
        one, two, other = struct(), struct(), item("a")
        names = names_of(one, other, two, item("b", "Item_2"))
        self.assertEqual(names[1:], ["a.Item", names[0] + "_2", "Item_2"])
        self.assertTrue(names[0].endswith("test_names.struct.Item"))
        several = names_of(item("a", "Item_2"), struct(), struct(), item("b", "Item_2"))
        self.assertEqual(len(set(several)), 4)

    def test_any_alphabet(self) -> None:
        """Letters of all alphabets are kept; other characters are not."""
        texts = ["Größe", "商品", "会社", "Цена", "a b/c"]
        names = names_of(*(item("a", text) for text in texts))
        self.assertEqual(names, ["Größe", "商品", "会社", "Цена", "a_b_c"])
        self.assertEqual(len(set(unique_names([item("a", "/"), item("a", "?")]).values())), 2)

    def test_same_again(self) -> None:
        """The names depend on the routes only."""
        types = [struct(), struct(), item("a"), Pages[int]]
        self.assertEqual(names_of(*types), names_of(*types))

    def test_contents(self) -> None:
        """Each name has the schema of its own type."""
        contract = contract_of(Pages[item("a", id=int)], Pages[item("b", id=str)])
        for route, kind in zip(contract.application_routes, ("integer", "string"), strict=True):
            page = contract.schemas[referenced_schema(route.result)]
            one = contract.schemas[referenced_schema(page["properties"]["items"]["items"])]
            self.assertEqual(one["properties"]["id"], {"type": kind})


class OtherDocumentTests(SynchronousTestCase):
    """What is made of a contract."""

    def setUp(self) -> None:
        """A contract with types of the same name, and with names in several alphabets."""
        types = [struct(), struct(), Pages[struct()], Pages[int], item("a", "商品"), item("a", "会社")]
        self.contract = contract_of(*types)

    def test_openapi(self) -> None:
        """The components of an OpenAPI document have ASCII names, and titles as they are."""
        document = describe([self.contract], token="off")
        schemas = document["components"]["schemas"]
        self.assertEqual([each for each in schemas if not re.fullmatch(r"[A-Za-z0-9._-]+", each)], [])
        self.assertLess(
            {"商品", "会社", "Item", "Page[Item]"}, {each.get("title") for each in schemas.values()}
        )
        text = msgspec.json.encode(document).decode()
        for reference in re.findall(r'"#/components/schemas/([^"]*)"', text):
            self.assertIn(reference, schemas)

    def test_stub(self) -> None:
        """A generated client has a class for each."""
        text = write_module(self.contract, "shop", client_name("shop"))
        compile(text, "stub", "exec")
        for name in ("Item_2", "Page_int", "商品", "会社"):
            self.assertIn(f"class {name}(", text)
