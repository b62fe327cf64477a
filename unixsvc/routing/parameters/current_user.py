"""Parameters that take the user of a request."""

from __future__ import annotations

from typing import Any

from unixsvc.authentication.current_user import user_type_of
from unixsvc.authentication.user_function import named_types
from unixsvc.contract.describe import ParameterDescription
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import Forbidden, Unauthorized

__all__ = ["UserKind", "UserParameter"]


class UserParameter:
    """Passes the user of a request; a gate has authenticated it.

    :ivar required: whether there has to be a user.
    :ivar classes: of the user; empty if the type is not a class.
    """

    def __init__(self, user_type: Any, *, required: bool) -> None:
        self.required = required
        self.classes = named_types(user_type)

    @property
    def descriptions(self) -> tuple[ParameterDescription, ...]:
        """The user is no part of the API; the contract has it under ``security``."""
        return ()

    @property
    def body(self) -> BodyKind | None:
        """The user needs no body."""
        return None

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the user.

        :raises Forbidden: if it has another type: the schemes of an application may have several.
        """
        user = request.user
        if user is None:
            if self.required:  # the gate has made sure; without a gate there is no user
                raise Unauthorized
            return None
        if self.classes and not isinstance(user, self.classes):
            raise Forbidden("the user is of another kind")
        return user


class UserKind:
    """Recognizes the parameters."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> UserParameter | None:
        """Return the source of a parameter; None if it does not take the user."""
        found = user_type_of(hint)
        return None if found is None else UserParameter(found[0], required=found[1])
