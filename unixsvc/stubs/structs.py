"""The classes of the generated module that hold data."""

from __future__ import annotations

from typing import Any

from unixsvc.stubs.python_types import PythonType, choice, mapping, sequence
from unixsvc.stubs.text import Namer, docstring, identifier, laid_out, literal, one_line
from unixsvc.stubs.types import RESERVED, TypeMapper

__all__ = ["or_unset", "remarks", "write_choice", "write_struct"]


def write_choice(types: TypeMapper, schema: str) -> list[str]:
    """The lines of a list of literals."""
    kind = choice(mapping(types.schemas[schema]))
    return [f"{types.choices[schema]}: TypeAlias = {kind.text if kind else 'Any'}"]


def write_struct(types: TypeMapper, schema: str, *, sent: bool) -> list[str]:
    """The lines of a struct.

    :param sent: whether it is only sent: what the service does not know, it may then not have.
    """
    content = mapping(types.schemas[schema])
    tag = types.tags.get(schema)
    told = [name for name in mapping(content.get("properties")) if tag is None or name != tag[0]]
    odd = [name for name in told if _is_odd(name)]
    options = ["Struct", "kw_only=True"]
    if tag is not None:
        options += [f"tag_field={literal(tag[0])}", f"tag={literal(tag[1])}"]
    if sent and content.get("additionalProperties") is False and not odd:
        options.append("forbid_unknown_fields=True")
    lines = laid_out(f"class {types.classes[schema]}(", options, "):", 0)
    # A struct's annotations are looked up among its fields first.
    namer = Namer({*RESERVED, *types.classes.values(), *types.choices.values()})
    names = {name: namer.variable(identifier(name, "field")) for name in told if name not in odd}
    lines += docstring(_explained(schema, content, names), 1)
    lines += [""] if told else []
    lines += [f"    # {literal(name)} is missing: msgspec takes no field of this name" for name in odd]
    required = sequence(content.get("required"))
    for name, python in names.items():
        lines += _field(types, name, python, content["properties"][name], required=name in required)
    return lines


def _explained(schema: str, content: dict[str, Any], names: dict[str, str]) -> list[str]:
    summary = str(content.get("description") or "").strip()
    fields = [
        f":ivar {python}: {text}"
        for name, python in names.items()
        if (text := _description(content["properties"][name]))
    ]
    return [summary or f"What the contract calls ``{one_line(schema)}``.", "\n".join(fields)]


def or_unset(kind: PythonType) -> str:
    """The type of what may be left out."""
    members = kind.text.removesuffix("None").removesuffix(" | ")
    last = " | None" if members != kind.text else ""
    return "Any" if kind.text == "Any" else f"{members} | UnsetType{last}".removeprefix(" | ")


def remarks(kind: PythonType, what: str = "") -> list[str]:
    """Comments that say why a type says less than its schema."""
    return [f"# {what}Any: {one_line(note)}" for note in dict.fromkeys(kind.notes)]


def _field(types: TypeMapper, name: str, python: str, schema: Any, *, required: bool) -> list[str]:
    kind = types.kind(schema)
    items = [] if python == name else [f"name={literal(name)}"]
    text = kind.text
    if not required:
        default = mapping(schema).get("default")
        if "default" in mapping(schema) and types.fits(default, schema):
            items.append(_default(kind, default))
        else:
            text = or_unset(kind)
            items.append("default=UNSET")
    lines = [f"    {each}" for each in remarks(kind)]
    if not items:
        return [*lines, f"    {python}: {text}"]
    if len(items) == 1 and items[0].startswith("default="):
        return [*lines, f"    {python}: {text} = {items[0].removeprefix('default=')}"]
    return [*lines, *laid_out(f"{python}: {text} = msgspec.field(", items, ")", 1)]


def _default(kind: PythonType, value: Any) -> str:
    # msgspec copies what is empty, but takes nothing else that can change.
    empty = (value == [] and "tuple[" not in kind.text) or (value == {} and "object" in kind.families)
    if value is None or empty:
        return f"default={literal(value)}"
    if not kind.plain:
        return f"default_factory=lambda: msgspec.convert({literal(value)}, {kind.text})"
    if isinstance(value, (list, dict)):
        return f"default_factory=lambda: {literal(value)}"
    return f"default={literal(value)}"


def _is_odd(name: str) -> bool:
    """Whether msgspec refuses a name, as JSON would have to escape it."""
    return any(each in '"\\' or each < " " for each in name)


def _description(schema: Any) -> str:
    return one_line(str(mapping(schema).get("description") or ""))
