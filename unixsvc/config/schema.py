"""The JSON Schema of ``unixsvc.toml``, for editors: the structs with their docstrings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from unixsvc.config.checks import NAME_PATTERN
from unixsvc.config.file import ConfigFile, HttpTable
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, ServiceOptions, ServiceSettings
from unixsvc.config.sources.development import CLIENT_KEYS, DEVELOPMENT
from unixsvc.domain.validation.type_forms import TypeForm, as_struct, fields_of, members_of, values_of

__all__ = ["file_schema", "schema_text"]

JsonSchema: TypeAlias = dict[str, Any]  # a JSON document

# Whose docstrings describe the fields of a table that are from elsewhere.
_ALSO_DESCRIBED_BY: Final[dict[type[Struct], tuple[type[Struct], ...]]] = {
    HttpTable: (Http, ServiceOptions, ServiceSettings, Limits),
    ServiceSettings: (ServiceOptions, Limits),
}
_FIELD: Final = re.compile(r"^:ivar (?P<names>[\w, ]+): (?P<text>.*(?:\n    .*)*)", re.MULTILINE)
_MARKUP: Final = re.compile(r":(?:[a-z]{1,9}:){1,2}`~?([^`]{1,99})`|``([^`]{1,99})``")
_REFERENCE: Final = "reference"
_GATEWAYS: Final = "HttpTables"
_DEVELOPMENT_TEXT: Final = "Keys that override the others in unixsvc dev."


def schema_text() -> str:
    """The schema of the whole file, as JSON for people."""
    return json.dumps(file_schema(), indent=2, ensure_ascii=False) + "\n"


def file_schema() -> JsonSchema:
    """The schema of the whole file.

    A value may also be a string with a reference such as ``${NAME}``, whatever the type of its key.
    """
    _, definitions = msgspec.json.schema_components([ConfigFile], ref_template="#/definitions/{name}")
    for table in {*_tables(ConfigFile)}:
        schema = definitions[table.__name__]
        schema["description"] = _plain(_summary(table))
        texts = _descriptions(table)
        schema["properties"] = {
            name: _property(each, texts.get(name, "")) for name, each in schema["properties"].items()
        }
        schema.pop("title", None)
        schema.pop("required", None)  # another file may have the key
    properties = definitions[ConfigFile.__name__]["properties"]
    for name in ("services", "tokens", "access"):
        properties[name]["propertyNames"] = {"pattern": f"^{NAME_PATTERN}$"}
    _add_gateways(definitions, properties)
    definitions[_REFERENCE] = {"type": "string", "pattern": r"\$\{"}
    document = definitions.pop(ConfigFile.__name__)
    overridden = {key: value for key, value in properties.items() if key not in CLIENT_KEYS}
    definitions[DEVELOPMENT] = {**document, "description": _DEVELOPMENT_TEXT, "properties": overridden}
    reference = {"$ref": f"#/definitions/{DEVELOPMENT}"}
    properties[DEVELOPMENT] = {"description": _DEVELOPMENT_TEXT, "allOf": [reference]}
    # Version 7 is the newest that all editors know.
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "unixsvc.toml"}
    encoded = msgspec.json.encode({**head, **document, "definitions": definitions})
    return msgspec.json.decode(encoded, type=dict[str, Any])  # without tuples, which validators do not know


def _add_gateways(definitions: JsonSchema, properties: JsonSchema) -> None:
    """Let ``[http]`` have tables of gateways beside its keys."""
    gateway = {"$ref": f"#/definitions/{HttpTable.__name__}"}
    names = {"propertyNames": {"pattern": f"^{NAME_PATTERN}$"}, "additionalProperties": gateway}
    definitions[_GATEWAYS] = {**definitions[HttpTable.__name__], **names}
    properties["http"]["allOf"] = [{"$ref": f"#/definitions/{_GATEWAYS}"}]


def _tables(type_form: TypeForm) -> Iterator[type[Struct]]:
    """The structs of a table and of all tables in it."""
    for member in members_of(type_form):
        if (struct := as_struct(member)) is not None:
            yield struct
            for each in fields_of(member) or ():
                yield from _tables(each.type)
        elif (values := values_of(member)) is not None:
            yield from _tables(values[1])


def _property(schema: JsonSchema, description: str) -> JsonSchema:
    """The schema of one key, which may be a reference."""
    default = schema.pop("default", None)
    values = _or_reference(schema)
    if "$ref" in values:  # version 7 ignores what is beside it; each key of the table has a default
        return {"description": description, "allOf": [values]}
    # TOML has no null.
    return {"description": description, **({} if default is None else {"default": default}), **values}


def _or_reference(schema: JsonSchema) -> JsonSchema:
    members = [each for each in schema.get("anyOf", [schema]) if each != {"type": "null"}]
    members = [_with_parts(each) for each in members]
    is_open = any(not each or each == {"type": "string"} for each in members)
    if not (is_open or any(_is_table(each) for each in members)):
        members.append({"$ref": f"#/definitions/{_REFERENCE}"})
    return members[0] if len(members) == 1 else {"anyOf": members}


def _with_parts(schema: JsonSchema) -> JsonSchema:
    parts = {
        key: _or_reference(schema[key])
        for key in ("items", "additionalProperties")
        if isinstance(schema.get(key), dict)
    }
    return {**schema, **parts}


def _is_table(schema: JsonSchema) -> bool:
    return "$ref" in schema or schema.get("type") == "object"


def _descriptions(table: type[Struct]) -> dict[str, str]:
    """The text for each field, from the docstrings."""
    found: dict[str, str] = {}
    for each in (table, *_ALSO_DESCRIBED_BY.get(table, ())):
        for match in _FIELD.finditer(inspect.getdoc(each) or ""):
            for name in match["names"].split(", "):
                found.setdefault(name, _plain(match["text"]))
    return found


def _summary(table: type[Struct]) -> str:
    return (inspect.getdoc(table) or "").partition("\n\n")[0]


def _plain(text: str) -> str:
    """A text without markup and line ends, as a sentence."""
    text = _MARKUP.sub(lambda match: match[1] or match[2], " ".join(text.split()))
    return text[:1].upper() + text[1:]
