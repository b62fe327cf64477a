"""The private names of msgspec."""

from __future__ import annotations

import msgspec
from msgspec import Struct, inspect
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.contract.msgspec_internals import NamedSchemaGenerator, named_types


class Inner(Struct):
    """Inside of another struct."""

    id: int


class Outer(Struct):
    """Has another struct."""

    inner: Inner | None = None


class InternalsTests(SynchronousTestCase):
    """They do what the code here expects."""

    def test_named_types(self) -> None:
        """The types with names are found at each depth, in a fixed order."""
        found = named_types(inspect.multi_type_info([list[Outer], int]))
        self.assertEqual([*found], [Outer, Inner])

    def test_same_as_public_function(self) -> None:
        """With the names of msgspec, the schemas are those of its public function."""
        infos = inspect.multi_type_info([Outer])
        generator = NamedSchemaGenerator({Outer: "Outer", Inner: "Inner"}, "#/x/")
        schemas = {cls.__name__: generator.to_schema(info, False) for cls, info in named_types(infos).items()}
        [schema], components = msgspec.json.schema_components([Outer], ref_template="#/x/{name}")
        self.assertEqual((generator.to_schema(infos[0]), schemas), (schema, components))

    def test_called_for_parts(self) -> None:
        """The method is called for each type inside of another one."""
        seen: list[str] = []

        class Recorder(NamedSchemaGenerator):
            def to_schema(self, type: inspect.Type, check_ref: bool = True) -> dict[str, object]:
                seen.append(type.__class__.__name__)
                return super().to_schema(type, check_ref)

        generator = Recorder({Outer: "Outer", Inner: "Inner"}, "#/x/")
        [info] = inspect.multi_type_info([dict[str, list[Outer]]])
        generator.to_schema(info)
        self.assertEqual(seen, ["DictType", "StrType", "ListType", "StructType"])
