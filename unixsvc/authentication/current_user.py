"""The annotation of a parameter that takes the user."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Final, TypeAlias, TypeVar, Union, get_args, get_origin

__all__ = ["CurrentUser", "user_type_of"]

_UserT = TypeVar("_UserT")


class _Marker:
    def __repr__(self) -> str:
        return "CurrentUser"


_MARKER: Final = _Marker()

CurrentUser: TypeAlias = Annotated[_UserT, _MARKER]
"""The user of a request, as a parameter of an action.

``user: CurrentUser[User]`` requires a user, ``user: CurrentUser[User] | None`` does not.
"""


def user_type_of(hint: Any) -> tuple[Any, bool] | None:
    """Return the type of the user that an annotation asks for, and whether there has to be one.

    :returns: None if the annotation is not for the user.
    """
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    for form in (hint, *members):
        if get_origin(form) is Annotated and _MARKER in get_args(form)[1:]:
            return get_args(form)[0], form is hint
    return None
