"""The structs of the generated module."""

from __future__ import annotations

from unixsvc.domain.json import Json, JsonObject
from unixsvc.stubs.python_types import PythonType, choice, mapping, sequence
from unixsvc.stubs.text import Namer, docstring, formatted, identifier, literal, one_line
from unixsvc.stubs.types import RESERVED, TypeMapper

__all__ = ["or_unset", "remarks", "write_choice", "write_struct"]


def write_choice(types: TypeMapper, schema: str) -> list[str]:
    """Return the lines of an alias for a ``Literal``."""
    kind = choice(mapping(types.schemas[schema]))
    return [f"{types.choices[schema]}: TypeAlias = {kind.text if kind else 'Any'}"]


def write_struct(types: TypeMapper, schema: str, *, sent: bool) -> list[str]:
    """Return the lines of a struct.

    :param sent: true if it is only sent to the service: unknown fields are forbidden then, as in the service.
    """
    content = mapping(types.schemas[schema])
    tag = types.tags.get(schema)
    fields = [name for name in mapping(content.get("properties")) if tag is None or name != tag[0]]
    unsupported = [name for name in fields if _is_unsupported(name)]
    options = ["Struct", "kw_only=True"]
    if tag is not None:
        options += [f"tag_field={literal(tag[0])}", f"tag={literal(tag[1])}"]
    if sent and content.get("additionalProperties") is False and not unsupported:
        options.append("forbid_unknown_fields=True")
    lines = formatted(f"class {types.classes[schema]}(", options, "):", 0)
    # msgspec resolves the annotations of a struct in the namespace of the class first.
    namer = Namer({*RESERVED, *types.classes.values(), *types.choices.values()})
    names = {name: namer.variable(identifier(name, "field")) for name in fields if name not in unsupported}
    lines += docstring(_paragraphs(schema, content, names), 1)
    lines += [""] if fields else []
    lines += [
        f"    # {literal(name)} is missing: msgspec takes no field of this name" for name in unsupported
    ]
    required = sequence(content.get("required"))
    for name, python in names.items():
        lines += _field(types, name, python, content["properties"][name], required=name in required)
    return lines


def _paragraphs(schema: str, content: JsonObject, names: dict[str, str]) -> list[str]:
    summary = str(content.get("description") or "").strip()
    descriptions = [
        f":ivar {python}: {text}"
        for name, python in names.items()
        if (text := _description(content["properties"][name]))
    ]
    return [summary or f"The schema ``{one_line(schema)}``.", "\n".join(descriptions)]


def or_unset(kind: PythonType) -> str:
    """Return the type of an optional field or parameter."""
    members = kind.text.removesuffix("None").removesuffix(" | ")
    last = " | None" if members != kind.text else ""
    return "Any" if kind.text == "Any" else f"{members} | UnsetType{last}".removeprefix(" | ")


def remarks(kind: PythonType, what: str = "") -> list[str]:
    """Return comments with the reasons why a type is wider than its schema."""
    return [f"# {what}Any: {one_line(note)}" for note in dict.fromkeys(kind.notes)]


def _field(types: TypeMapper, name: str, python: str, schema: Json, *, required: bool) -> list[str]:
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
    return [*lines, *formatted(f"{python}: {text} = msgspec.field(", items, ")", 1)]


def _default(kind: PythonType, value: Json) -> str:
    # msgspec copies empty defaults, and rejects other mutable ones.
    empty = (value == [] and "tuple[" not in kind.text) or (value == {} and "object" in kind.families)
    if value is None or empty:
        return f"default={literal(value)}"
    if not kind.plain:
        return f"default_factory=lambda: msgspec.convert({literal(value)}, {kind.text})"
    if isinstance(value, (list, dict)):
        return f"default_factory=lambda: {literal(value)}"
    return f"default={literal(value)}"


def _is_unsupported(name: str) -> bool:
    """Return whether msgspec rejects a field name, because JSON has to escape it."""
    return any(each in '"\\' or each < " " for each in name)


def _description(schema: Json) -> str:
    return one_line(str(mapping(schema).get("description") or ""))
