"""The text of a generated client module."""

from __future__ import annotations

import ast
import re
from typing import Final

from unixsvc.contract.model import Contract
from unixsvc.stubs.arguments import sends_meta
from unixsvc.stubs.methods import method_name, write_method
from unixsvc.stubs.structs import write_choice, write_struct
from unixsvc.stubs.text import Namer, class_name, docstring, formatted, literal, one_line
from unixsvc.stubs.types import RESERVED, TypeMapper
from unixsvc.stubs.usage import argument_schemas, request_schemas

__all__ = ["client_name", "write_module"]

_CALLER_METHOD: Final = '''
    def {name}(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,{meta}
        type: Any = Any,
    ) -> {result}[Any]:
        """Make a call{what} is decoded into the type."""
        ...
'''
_CALLER_HEAD: Final = '''\
class Caller(Protocol):
    """Makes the calls: a client of unixsvc, or another object with these methods."""
'''
_META: Final = "\n        meta: dict[str, str] | None = None,"
_CLIENT: Final = """\
    def __init__(self, client: Caller) -> None:
        self._client = client
"""
_HELPERS: Final = {
    "_given": '''\
def _given(data: dict[str, Any]) -> dict[str, Any]:
    """Remove unset arguments: the service knows their defaults."""
    return {name: value for name, value in data.items() if value is not UNSET}
''',
    "_meta": '''\
def _meta(headers: dict[str, Any], cookies: dict[str, Any] | None = None) -> dict[str, str]:
    """Return header fields and cookies as the meta of a message, without unset ones."""
    meta = {
        name: ", ".join(_text(value)) for name, value in headers.items() if _text(value)
    }
    pairs = [
        f"{name}={text}"
        for name, value in (cookies or {}).items()
        for text in _text(value)
    ]
    return {**meta, "cookie": "; ".join(pairs)} if pairs else meta
''',
    "_with_query": '''\
def _with_query(path: str, fields: dict[str, Any]) -> str:
    """Return a path with a query of the fields that are set."""
    pairs = [(name, text) for name, value in fields.items() for text in _text(value)]
    return f"{path}?{urlencode(pairs)}" if pairs else path
''',
    "_text": '''\
def _text(value: object) -> list[str]:
    """Return the texts of a value: one, none if it is unset, or one for each item."""
    if value is UNSET or value is None:
        return []
    plain = msgspec.to_builtins(value)
    items = plain if isinstance(plain, list) else [plain]
    return [
        item if isinstance(item, str) else msgspec.json.encode(item).decode()
        for item in items
    ]
''',
    "_quoted": '''\
def _quoted(value: object, safe: str = "") -> str:
    """Return a value as a path segment."""
    plain = msgspec.to_builtins(value)
    text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return quote(text, safe=safe)
''',
}
# In the order of isort.
_STANDARD: Final = {
    "collections.abc": ("AsyncIterator", "Awaitable"),
    "decimal": ("Decimal",),
    "typing": ("Annotated", "Any", "Literal", "Protocol", "TypeAlias"),
    "urllib.parse": ("quote", "urlencode"),
    "uuid": ("UUID",),
}
_MSGSPEC: Final = ("UNSET", "Meta", "Struct", "UnsetType")


def client_name(service: str) -> str:
    """Return the default name of the client class for a service."""
    name = class_name(f"{service}-client")
    return f"{name}_" if name in RESERVED else name


def write_module(contract: Contract, service: str, name: str) -> str:
    """Return the text of the module; it is the same for the same contract.

    :param service: the name of the service.
    :param name: the name of the client class, not one of :data:`~unixsvc.stubs.types.RESERVED`.
    """
    schemas = [[each.path_arguments, each.data, each.result] for each in contract.application_routes]
    namer = Namer({*RESERVED, name})
    types = TypeMapper(contract.schemas, argument_schemas(contract), [contract.schemas, schemas], namer)
    sent = request_schemas(contract)
    parts = [[line for each in types.choices for line in write_choice(types, each)]] if types.choices else []
    parts += [write_struct(types, each, sent=each in sent) for each in types.classes]
    parts += [_caller(contract), _client(types, contract, service, name)]
    for helper, text in _HELPERS.items():  # one may use those after it
        parts += [text.splitlines()] if helper in _used_names(parts) else []
    public = ["Caller", name, *types.choices.values(), *types.classes.values()]
    public.sort(key=_order)
    exported = formatted("__all__ = [", [literal(each) for each in public], "]", 0)
    begin = [*_header(contract, service), *_imports(_used_names(parts)), "", *exported]
    return "\n\n\n".join("\n".join(each) for each in [begin, *parts]) + "\n"


def _header(contract: Contract, service: str) -> list[str]:
    what = " ".join(filter(None, [one_line(contract.title), one_line(contract.version)]))
    return [
        *docstring(
            [
                f"Typed calls of the service ``{one_line(service)}``{f': {what}' if what else ''}.",
                "Generated by unixsvc stub from the contract of the service. Do not edit: generate it again.",
            ],
            0,
        ),
        "",
        "from __future__ import annotations",
        "",
    ]


def _caller(contract: Contract) -> list[str]:
    meta = _META if sends_meta(contract.application_routes) else ""
    call = _CALLER_METHOD.format(name="call", result="Awaitable", what="; the result", meta=meta)
    stream = _CALLER_METHOD.format(
        name="stream", result="AsyncIterator", what=" for a stream; each item", meta=meta
    )
    return f"{_CALLER_HEAD}{call}{stream}".splitlines()


def _client(types: TypeMapper, contract: Contract, service: str, name: str) -> list[str]:
    paragraphs = [
        f"Calls the service ``{one_line(service)}``.",
        "Each method takes ``timeout``, in seconds. Unset arguments have the defaults of the service.",
        ":param client: makes the calls.",
    ]
    lines = [f"class {name}:", *docstring(paragraphs, 1), "", *_CLIENT.splitlines()]
    names = Namer()
    for route in contract.application_routes:
        lines += ["", *write_method(types, contract, route, names.numbered(method_name(route)))]
    return lines


def _order(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Return the sort key of isort: constants, classes, other names; numbers by value."""
    rank = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    return rank, [(int(each) if each.isdecimal() else -1, each) for each in re.split(r"(\d+)", name)]


def _used_names(parts: list[list[str]]) -> set[str]:
    """Return the names that the code uses."""
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
