"""The parameters of generated methods."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from unixsvc.contract.model import RouteContract
from unixsvc.domain.json import JsonObject
from unixsvc.stubs.python_types import PythonType, mapping
from unixsvc.stubs.structs import or_unset, remarks
from unixsvc.stubs.text import Namer, formatted, identifier, literal, one_line
from unixsvc.stubs.types import TypeMapper

__all__ = ["Argument", "meta_lines", "parameter_arguments", "sends_meta", "with_query"]

_META_PLACES: Final = ("header", "cookie")


class Argument(Struct, frozen=True):
    """A parameter of a method.

    :ivar name: the name in the contract.
    :ivar python: the name of the parameter.
    :ivar place: of a value that is not part of the data: ``header``, ``cookie`` or ``query``.
    """

    name: str
    python: str
    kind: PythonType
    schema: JsonObject
    required: bool = True
    place: str = ""

    @property
    def declaration(self) -> list[str]:
        """The parameter in the head of the method, after the remarks on its type."""
        text = self.kind.text if self.required else f"{or_unset(self.kind)} = UNSET"
        return [*remarks(self.kind), f"{self.python}: {text}"]

    @property
    def explanation(self) -> str:
        """The line for the docstring."""
        parts = [one_line(str(self.schema.get("description") or "")).rstrip(".")]
        if "default" in self.schema:
            parts.append(f"{one_line(literal(self.schema['default']))} by default")
        text = "; ".join(filter(None, parts))
        return f":param {self.python}: {text}." if text else ""


def sends_meta(routes: list[RouteContract]) -> bool:
    """Return whether a method has to send ``meta``."""
    return any(each.place in _META_PLACES for route in routes for each in route.parameters)


def parameter_arguments(types: TypeMapper, route: RouteContract, namer: Namer) -> list[Argument]:
    """Return the arguments for header fields, cookies and fields of the query."""
    arguments = []
    for each in route.parameters:
        if each.place in (*_META_PLACES, "query"):
            schema = {"description": each.description} | mapping(each.schema)
            arguments.append(
                Argument(
                    each.name,
                    namer.variable(identifier(each.name)),
                    types.kind(each.schema),
                    schema,
                    each.required,
                    each.place,
                )
            )
    return arguments


def meta_lines(arguments: list[Argument], namer: Namer) -> tuple[list[str], str]:
    """Return the lines that make the ``meta``, and its name; an empty one if there is none."""
    headers, cookies = ([each for each in arguments if each.place == place] for place in _META_PLACES)
    if not (headers or cookies):
        return [], ""
    meta = namer.variable("meta")
    items = [f"{{{_items(headers)}}}", *([f"{{{_items(cookies)}}}"] if cookies else [])]
    return formatted(f"{meta} = _meta(", items, ")", 2), meta


def with_query(path: str, arguments: list[Argument]) -> str:
    """Return the expression for a path with the fields of its query.

    :param path: the expression for the path.
    """
    fields = [each for each in arguments if each.place == "query"]
    return f"_with_query({path}, {{{_items(fields)}}})" if fields else path


def _items(arguments: list[Argument]) -> str:
    return ", ".join(f"{literal(each.name)}: {each.python}" for each in arguments)
