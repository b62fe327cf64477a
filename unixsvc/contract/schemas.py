"""The JSON Schemas of types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, inspect
from msgspec.inspect import Type

from unixsvc.contract.model import SCHEMA_REFERENCE
from unixsvc.contract.msgspec_internals import NamedSchemaGenerator, named_types
from unixsvc.contract.names import unique_name, unique_names
from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.validation.pydantic_models import is_model, is_validating_dataclass
from unixsvc.domain.validation.type_forms import TypeForm, holds

__all__ = ["TypeUse", "UnsupportedType", "json_schemas", "require_json_types", "wrong_field"]

_NULLABLE: Final = ".nullable"
# By whether values have a time zone; None if both are allowed. msgspec says so of those with a zone only. The
# local ones are in the format registry of the OpenAPI Initiative.
_TIMES: Final[dict[type[Type], dict[bool | None, str]]] = {
    inspect.DateTimeType: {None: "date-time", True: "date-time", False: "date-time-local"},
    inspect.TimeType: {None: "time", True: "time", False: "time-local"},
}
_MSGSPEC_TIMES: Final = frozenset({"date-time", "partial-time", "time"})


class UnsupportedType(TypeError):
    """A type has no representation in JSON.

    :param type_form: the type.
    """

    def __init__(self, type_form: TypeForm) -> None:
        name = getattr(type_form, "__qualname__", type_form)
        super().__init__(f"the type {name} has no form in JSON")


class TypeUse(Struct, frozen=True):
    """A type, and what its values are used for.

    :ivar floats_may_be_null: whether infinity and NaN become null.
    :ivar output: whether the values are results.
    """

    type: TypeForm
    floats_may_be_null: bool = False
    output: bool = False


def json_schemas(types: Sequence[TypeUse]) -> tuple[list[Json], JsonObject]:
    """Return the schemas of types, and the schemas that they refer to by name.

    :raises TypeError: if a type has no schema.
    """
    infos = inspect.multi_type_info([use.type for use in types])
    nullable = [use.floats_may_be_null for use in types]
    names = unique_names(named_types(infos))
    models = _Models()
    plain = SchemaGenerator(names, models)
    with_null = SchemaGenerator(_nullable_names(names), models, floats_may_be_null=True)
    schemas: list[Json] = []
    for info, use in zip(infos, types, strict=True):
        models.output = use.output
        schemas.append((with_null if use.floats_may_be_null else plain).to_schema(info))
    models.output = False  # a struct has one schema for both directions, and so have the models in it
    components: JsonObject = {}
    for generator, wanted in ((plain, False), (with_null, True)):
        chosen = [info for info, may_be_null in zip(infos, nullable, strict=True) if may_be_null is wanted]
        for cls, info in named_types(chosen).items():
            components.setdefault(generator.names[cls], generator.to_schema(info, check_ref=False))
    return schemas, components | models.complete(components)


def require_json_types(types: Sequence[TypeForm]) -> None:
    """Require that types have schemas, and that their defaults can be JSON.

    :raises TypeError: if one has none.
    """
    msgspec.json.encode(json_schemas([TypeUse(type_form) for type_form in types]))


def wrong_field(type_form: TypeForm) -> str:
    """Return the innermost field that makes :func:`require_json_types` fail, as ``Item.price``.

    :returns: empty if it is not a field.
    """
    return _wrong_field(type_form, set())


def _wrong_field(type_form: TypeForm, seen: set[type]) -> str:
    for each in get_args(type_form):
        if found := _wrong_field(each, seen):
            return found
    if not isinstance(type_form, type) or type_form in seen:
        return ""
    seen.add(type_form)
    try:
        hints = get_type_hints(type_form, include_extras=True)
    except (NameError, TypeError):  # which is another problem
        return ""
    for name, hint in hints.items():
        if get_origin(hint) is not ClassVar and not _has_schema(hint):
            return _wrong_field(hint, seen) or f"{type_form.__qualname__}.{name}"
    return ""


def _has_schema(type_form: TypeForm) -> bool:
    try:
        require_json_types([type_form])
    except (TypeError, NameError):
        return False
    return True


def _nullable_names(names: Mapping[Any, str]) -> dict[Any, str]:
    """Return names for variants of the types whose floats may be null; others keep their names."""
    found = dict(names)
    for cls, name in names.items():
        if holds(cls, (float,)):
            found[cls] = unique_name(name + _NULLABLE, found.values())
    return found


class _Models:
    """The models of Pydantic that types contain. Their schemas are made together, as they share names.

    :ivar output: whether the models that come next are results.
    """

    def __init__(self) -> None:
        self.output = False
        self._found: dict[tuple[Any, bool], JsonObject] = {}

    def schema_of(self, model: Any) -> JsonObject:
        """Return the schema of a model; it is empty until :meth:`complete` is called."""
        return self._found.setdefault((model, self.output), {})

    def complete(self, others: Mapping[str, object]) -> JsonObject:
        """Fill all schemas in, and return those that they refer to by name.

        :param others: the components whose names are taken.
        :raises TypeError: if a model has no schema.
        """
        if not self._found:
            return {}
        # Late: few services have models of Pydantic.
        from unixsvc.contract.pydantic_schemas import model_schemas

        schemas, components = model_schemas(list(self._found), SCHEMA_REFERENCE, others)
        for key, schema in self._found.items():
            schema.update(schemas[key])
        return components


class SchemaGenerator(NamedSchemaGenerator):
    """Generates schemas with the formats of dates and times.

    :param names: the names of types by their classes.
    :param models: those that the types contain.
    :param floats_may_be_null: true if infinity and NaN become null.
    """

    def __init__(
        self, names: Mapping[Any, str], models: _Models, *, floats_may_be_null: bool = False
    ) -> None:
        super().__init__(names, SCHEMA_REFERENCE)
        self.names = names
        self._models = models
        self._floats_may_be_null = floats_may_be_null

    def to_schema(self, type: Type, check_ref: bool = True) -> JsonObject:
        """Return the schema of a type."""
        inner: Any = type
        while isinstance(inner, inspect.Metadata):
            inner = inner.type
        if isinstance(inner, inspect.CustomType) and is_model(inner.cls):
            return self._models.schema_of(inner.cls)
        if isinstance(inner, inspect.CustomType) or is_validating_dataclass(getattr(inner, "cls", None)):
            raise UnsupportedType(inner.cls)
        if isinstance(inner, inspect.DictType):
            self.to_schema(inner.key_type)  # which has no schema of its own, but may be unsupported
        schema = super().to_schema(type, check_ref)
        formats = _TIMES.get(inner.__class__)
        if formats is not None and schema.get("format", "time") in _MSGSPEC_TIMES:
            schema["format"] = formats[inner.tz]
        if not self._floats_may_be_null:
            return schema
        if isinstance(inner, inspect.FloatType):
            return {"anyOf": [schema, {"type": "null"}]}
        return _flattened(schema) if isinstance(inner, inspect.UnionType) else schema


def _flattened(union: JsonObject) -> JsonObject:
    """Return a union whose members are no unions, of which each occurs once."""
    options: list[Json] = []
    for each in union["anyOf"]:
        inner = each["anyOf"] if each.keys() == {"anyOf"} else [each]
        options += [option for option in inner if option not in options]
    null = {"type": "null"}
    ordered = [option for option in options if option != null]
    return union | {"anyOf": [*ordered, *([null] if null in options else [])]}
