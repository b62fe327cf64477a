"""Parameters from header fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from unixsvc.domain.header_names import canonical_name
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import ConfigError
from unixsvc.routing.parameters.interfaces import ParameterSource
from unixsvc.routing.parameters.marker import Marker, find_marker
from unixsvc.routing.parameters.text_source import text_source
from unixsvc.routing.parameters.texts import TextSource

__all__ = ["Header", "HeaderKind"]

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")


class Header(Marker):
    """The parameter is a header field: ``x_tenant: Annotated[str, Header()]`` is ``x-tenant``.

    Over a socket it is the entry of ``meta`` of that name, in lower case. A list is a field with several
    values, as ``a, b``, or a field that occurs several times.

    A struct, a dataclass or a model is several header fields, each a field of it.

    :param alias: the name of the field, in any case; by default that of the parameter, with hyphens.
    :param description: for the contract.
    :param examples: values for the contract.
    """


class _HeaderSource(TextSource):
    """Reads a header field."""

    place = "header"

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
        name = (marker.alias or name.replace("_", "-")).lower()
        if not _TOKEN.fullmatch(name):
            raise ConfigError(where, f"{name!r} is not the name of a header field")
        super().__init__(name, marker, hint, default, where, schema=schema)
        self._key = canonical_name(name)

    def texts(self, request: Request, errors: list[FieldError]) -> Sequence[str] | None:
        """Return the values of the field."""
        headers = request.headers
        if headers is None:
            found = request.meta.get(self._name)
            texts = [] if found is None else [found]
        else:
            texts = [each.decode("latin-1") for each in headers.get(self._key, ())]
        if self._is_list:
            return [item for each in texts for text in each.split(",") if (item := text.strip(" \t"))]
        if len(texts) > 1:
            errors.append(FieldError(self._field, "occurs more than once"))
            return None
        return texts


class HeaderKind:
    """Recognizes ``Header()``."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> ParameterSource | None:
        """Return the source of a parameter; None if it is no header field."""
        marker = find_marker(Header, hint, name, where)
        return None if marker is None else text_source(_HeaderSource, name, marker, hint, default, where)
