"""How a parameter of an action gets its value."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Final, Protocol

from unixsvc.contract.describe import ParameterDescription
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm

__all__ = ["ALONE_REMEDY", "REQUIRED", "ParameterDescription", "ParameterKind", "ParameterSource"]

REQUIRED: Final = inspect.Parameter.empty
"""The default of a parameter without one."""

ALONE_REMEDY: Final = "put all fields into one type, or let the type ignore unknown fields"
"""The remedy where a model leaves nothing of its place for another parameter."""


class ParameterSource(Protocol):
    """Reads the value of one parameter."""

    @property
    def descriptions(self) -> Sequence[ParameterDescription]:
        """For the contract; several of a model, none if the parameter is no part of the API."""

    @property
    def body(self) -> BodyKind | None:
        """The form of the body that the parameter needs; None for any."""

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the value.

        :param errors: gets the problems of a value that is not valid; the result does not matter then.
        :raises unixsvc.errors.ServiceError: for a request that is not valid as a whole.
        """


class ParameterKind(Protocol):
    """Recognizes parameters by their annotations."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> ParameterSource | None:
        """Return the source of a parameter; None if the parameter is not of this kind.

        :param default: ``REQUIRED`` if there is none.
        :param where: the route, for error messages.
        :raises unixsvc.errors.ConfigError: if the annotation can never work.
        """
