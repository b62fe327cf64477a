"""The JSON Schemas of Pydantic's models, which a model makes itself."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from unixsvc.contract.names import unique_name
from unixsvc.domain.json import Json, JsonObject

__all__ = ["field_schemas", "model_schemas"]

_Mode: TypeAlias = Literal["validation", "serialization"]


def model_schemas(
    models: Sequence[tuple[Any, bool]], reference: str, taken: Container[str] = ()
) -> tuple[dict[tuple[Any, bool], JsonObject], JsonObject]:
    """Return the schemas of models, each a reference, and the schemas that they refer to by name.

    :param models: each with whether it is a result. A field with a default is always there in a result.
    :param reference: the start of each ``$ref``.
    :param taken: names that other schemas have.
    :raises TypeError: if a model has no schema.
    """
    from pydantic.errors import PydanticInvalidForJsonSchema
    from pydantic.json_schema import models_json_schema

    modes: dict[bool, _Mode] = {False: "validation", True: "serialization"}
    wanted = [(model, modes[output]) for model, output in models]
    try:
        found, definitions = models_json_schema(wanted, ref_template=reference + "{model}")
    except PydanticInvalidForJsonSchema as error:
        raise TypeError(str(error).partition("\n")[0]) from None
    named = {(model, mode == "serialization"): schema for (model, mode), schema in found.items()}
    components: JsonObject = definitions.get("$defs", {})
    names: dict[str, str] = {}
    for name in components:
        names[name] = name if name not in taken else unique_name(name, [*components, *names.values()])
    if all(name == new for name, new in names.items()):
        return named, components
    references = {reference + name: reference + new for name, new in names.items()}
    renamed = {names[name]: _with_references(schema, references) for name, schema in components.items()}
    return {key: _with_references(schema, references) for key, schema in named.items()}, renamed


def field_schemas(model: Any) -> dict[str, JsonObject]:
    """Return the schemas of a model's fields by the names that clients write, without references.

    Of a schema that contains itself, the inner one is left out.
    """
    schema: JsonObject = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return {name: _resolved(each, definitions) for name, each in schema.get("properties", {}).items()}


def _resolved(schema: Json, definitions: JsonObject) -> Json:
    """Return a schema in which each reference is replaced by what it refers to."""
    if isinstance(schema, list):
        return [_resolved(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    others = {name: _resolved(each, definitions) for name, each in schema.items() if name != "$ref"}
    if "$ref" not in schema:
        return others
    reference = str(schema["$ref"]).removeprefix("#/$defs/")
    inside = {name: each for name, each in definitions.items() if name != reference}
    return {**_resolved(definitions.get(reference, {}), inside), **others}


def _with_references(schema: Json, references: Mapping[str, str]) -> Json:
    """Return a schema with other references."""
    if isinstance(schema, list):
        return [_with_references(each, references) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: references.get(each, each) if name == "$ref" else _with_references(each, references)
        for name, each in schema.items()
    }
