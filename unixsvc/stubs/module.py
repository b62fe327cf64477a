"""Writes a typed client module from a contract, for ``unixsvc stub``: from plain data to text."""

from __future__ import annotations

import ast
import re
from typing import Final

from unixsvc.contract.model import Contract
from unixsvc.stubs.methods import method_name, write_method
from unixsvc.stubs.structs import write_choice, write_struct
from unixsvc.stubs.text import Namer, class_name, docstring, laid_out, literal, one_line
from unixsvc.stubs.types import RESERVED, TypeMapper
from unixsvc.stubs.usage import argument_schemas, request_schemas

__all__ = ["client_name", "write_module"]

_CALLER: Final = '''\
class Caller(Protocol):
    """What carries the calls: a client of unixsvc, or whatever else has these methods."""

    def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
    ) -> Awaitable[Any]:
        """Ask for a result, which is decoded into the type."""

    def stream(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
    ) -> AsyncIterator[Any]:
        """Ask for a stream, each of whose items is decoded into the type."""
'''
_CLIENT: Final = """\
    def __init__(self, client: Caller) -> None:
        self._client = client
"""
_HELPERS: Final = {
    "_given": '''\
def _given(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was left out: the service knows best what holds instead."""
    return {name: value for name, value in data.items() if value is not UNSET}
''',
    "_quoted": '''\
def _quoted(value: object, safe: str = "") -> str:
    """Write a value so that it can stand in a path."""
    plain = msgspec.to_builtins(value)
    text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return quote(text, safe=safe)
''',
}
# As isort has them.
_STANDARD: Final = {
    "collections.abc": ("AsyncIterator", "Awaitable"),
    "decimal": ("Decimal",),
    "typing": ("Annotated", "Any", "Literal", "Protocol", "TypeAlias"),
    "urllib.parse": ("quote",),
    "uuid": ("UUID",),
}
_MSGSPEC: Final = ("UNSET", "Meta", "Struct", "UnsetType")


def client_name(service: str) -> str:
    """The name of the class that calls a service, if nobody wants another."""
    name = class_name(f"{service}-client")
    return f"{name}_" if name in RESERVED else name


def write_module(contract: Contract, service: str, name: str) -> str:
    """Write the module.

    :param service: what was asked for the contract.
    :param name: of the class that calls the service; none of :data:`~unixsvc.stubs.types.RESERVED`.
    :returns: the module's text; the same for the same contract.
    """
    schemas = [[each.path_arguments, each.data, each.result] for each in contract.application_routes]
    namer = Namer({*RESERVED, name})
    types = TypeMapper(contract.schemas, argument_schemas(contract), [contract.schemas, schemas], namer)
    sent = request_schemas(contract)
    parts = [[line for each in types.choices for line in write_choice(types, each)]] if types.choices else []
    parts += [write_struct(types, each, sent=each in sent) for each in types.classes]
    parts += [_CALLER.splitlines(), _client(types, contract, service, name)]
    used = _names(parts)
    parts += [text.splitlines() for helper, text in _HELPERS.items() if helper in used]
    public = ["Caller", name, *types.choices.values(), *types.classes.values()]
    public.sort(key=_order)
    exported = laid_out("__all__ = [", [literal(each) for each in public], "]", 0)
    begin = [*_header(contract, service), *_imports(_names(parts)), "", *exported]
    return "\n\n\n".join("\n".join(each) for each in [begin, *parts]) + "\n"


def _header(contract: Contract, service: str) -> list[str]:
    what = " ".join(filter(None, [one_line(contract.title), one_line(contract.version)]))
    return [
        *docstring(
            [
                f"Typed calls of the service ``{one_line(service)}``{f': {what}' if what else ''}.",
                "Made by unixsvc stub from the service's contract. Don't change it: make it again.",
            ],
            0,
        ),
        "",
        "from __future__ import annotations",
        "",
    ]


def _client(types: TypeMapper, contract: Contract, service: str, name: str) -> list[str]:
    told = [
        f"Calls the service ``{one_line(service)}``.",
        "Every method takes ``timeout``, in seconds. What it leaves out, the service decides.",
        ":param client: carries the calls.",
    ]
    lines = [f"class {name}:", *docstring(told, 1), "", *_CLIENT.splitlines()]
    names = Namer()
    for route in contract.application_routes:
        lines += ["", *write_method(types, contract, route, names.numbered(method_name(route)))]
    return lines


def _order(name: str) -> tuple[int, list[tuple[int, str]]]:
    """As isort has names: those of constants, of classes, others; numbers by what they are."""
    rank = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    return rank, [(int(each) if each.isdecimal() else -1, each) for each in re.split(r"(\d+)", name)]


def _names(parts: list[list[str]]) -> set[str]:
    """What is used, apart from what docstrings and comments say."""
    tree = ast.parse("\n".join(line for part in parts for line in part))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _imports(used: set[str]) -> list[str]:
    lines = ["import datetime as dt"] if "dt" in used else []
    lines += [_import(module, names, used) for module, names in _STANDARD.items() if used & {*names}]
    others = ["import msgspec"] if "msgspec" in used else []
    others += [_import("msgspec", _MSGSPEC, used)] if used & {*_MSGSPEC} else []
    return [*lines, "", *others] if others else lines


def _import(module: str, names: tuple[str, ...], used: set[str]) -> str:
    return f"from {module} import {', '.join(each for each in names if each in used)}"
