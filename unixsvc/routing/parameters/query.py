"""Parameters from the query of the URL, beside a body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs

from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import Malformed
from unixsvc.routing.parameters.interfaces import ParameterSource
from unixsvc.routing.parameters.marker import Marker, find_marker
from unixsvc.routing.parameters.text_source import text_source
from unixsvc.routing.parameters.texts import CHECKED, TextSource, is_checkbox

__all__ = ["MAX_FIELDS", "Query", "QueryKind", "parse_query"]

MAX_FIELDS: Final = 1000
"""The most fields of a query."""


class Query(Marker):
    """The parameter is in the query of the URL, also beside a body: ``page: Annotated[int, Query()] = 1``.

    Over a socket the path of the message has the query. A list is a field that occurs several times; of other
    types the last one counts. The fields of a struct, a dataclass or a model are fields of the query.

    :param alias: the name of the field; by default that of the parameter.
    :param description: for the contract.
    :param examples: values for the contract.
    """


class _QuerySource(TextSource):
    """Reads a field of the query.

    Forms send every text field. So an empty one counts as absent, if the type has no value for it.
    """

    place = "query"
    empty_is_absent = True
    bounded = True

    def __init__(
        self,
        name: str,
        marker: Marker,
        hint: TypeForm,
        default: object,
        where: str,
        *,
        schema: TypeForm | None = None,
    ) -> None:
        super().__init__(marker.alias or name, marker, hint, default, where, schema=schema)
        self._is_checkbox = is_checkbox(hint)

    def texts(self, request: Request, errors: list[FieldError]) -> Sequence[str] | None:
        """Return the values of the field."""
        if not request.query:
            return ()
        found = _parsed(request.query).get(self._name, ())
        return ["true" if each == CHECKED else each for each in found] if self._is_checkbox else found

    @classmethod
    def all_texts(cls, request: Request) -> Mapping[str, Sequence[str]]:
        """Return the values of all fields by name."""
        return _parsed(request.query) if request.query else {}


class QueryKind:
    """Recognizes ``Query()``."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> ParameterSource | None:
        """Return the source of a parameter; None if it is not in the query."""
        marker = find_marker(Query, hint, name, where)
        return None if marker is None else text_source(_QuerySource, name, marker, hint, default, where)


def parse_query(query: str) -> dict[str, list[str]]:
    """Return the values by name.

    :raises Malformed: if the query cannot be decoded, or has too many fields.
    """
    try:
        return parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:  # includes UnicodeDecodeError
        raise Malformed("path: the query is invalid") from None


@lru_cache(1)  # several parameters of one request
def _parsed(query: str) -> Mapping[str, Sequence[str]]:
    return parse_query(query)
