"""The private names of msgspec that are used here; checked with msgspec 0.20 to 0.22.

``msgspec.json.schema_components`` is public, but chooses the names of schemas itself. It fails with KeyError
if two types have the same name and module, as a generic type with arguments of one name from two modules has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec._json_schema import _collect_component_types, _SchemaGenerator
from msgspec.inspect import Type

from unixsvc.domain.json import JsonObject

__all__ = ["NamedSchemaGenerator", "named_types"]


def named_types(types: Iterable[Type]) -> dict[Any, Type]:
    """Return the types that schemas refer to by name, as structs and enums, by their classes."""
    return _collect_component_types(types)


class NamedSchemaGenerator(_SchemaGenerator):
    """Generates JSON Schemas; :meth:`to_schema` is called for each type inside of another one, too.

    :param names: the names of the types that schemas refer to, by their classes.
    :param reference: the start of each ``$ref``.
    """

    def __init__(self, names: Mapping[Any, str], reference: str) -> None:
        super().__init__(dict(names), None, reference + "{name}")

    def to_schema(self, type: Type, check_ref: bool = True) -> JsonObject:
        """Return the schema of a type.

        :param check_ref: whether it may be a reference to a named type.
        """
        return super().to_schema(type, check_ref)
