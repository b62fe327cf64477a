"""What annotations say about the source of a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar, get_args, get_origin

from unixsvc.domain.validation.type_forms import TypeForm, unnamed
from unixsvc.errors import ConfigError

__all__ = ["Marker", "find_marker", "find_markers", "without_marker"]

_M = TypeVar("_M", bound="Marker")


class Marker:
    """Names the source of a parameter, in ``Annotated``.

    :param alias: the name that clients write, if it is not that of the parameter.
    :param description: for the contract.
    :param examples: values for the contract.
    """

    def __init__(self, alias: str = "", *, description: str = "", examples: Sequence[object] = ()) -> None:
        self.alias = alias
        self.description = description
        self.examples = tuple(examples)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def find_marker(kind: type[_M], hint: TypeForm, name: str, where: str) -> _M | None:
    """Return the marker of a kind in an annotation; None if it has none.

    :param name: of the parameter.
    :param where: the route, for error messages.
    :raises ConfigError: for a class in place of a marker, and for two markers.
    """
    hint = unnamed(hint)
    if get_origin(hint) is not Annotated:
        return None
    metadata = get_args(hint)[1:]
    for each in metadata:
        if isinstance(each, type) and issubclass(each, Marker):
            raise ConfigError(where, f"{name!r} has {each.__name__} in Annotated", f"write {each.__name__}()")
    markers = [each for each in metadata if isinstance(each, Marker)]
    if len(markers) > 1:
        problem = f"{name!r} has two sources, {markers[0]!r} and {markers[1]!r}"
        raise ConfigError(where, problem, "remove one of them")
    return next((each for each in markers if isinstance(each, kind)), None)


def find_markers(kind: type[_M], hints: Mapping[str, TypeForm], where: str) -> dict[str, _M]:
    """Return the markers of a kind by the names of the parameters that have one; see :func:`find_marker`."""
    found = {name: find_marker(kind, hint, name, where) for name, hint in hints.items()}
    return {name: marker for name, marker in found.items() if marker is not None}


def without_marker(hint: TypeForm) -> TypeForm:
    """Return an annotation without its marker, and with everything else that it has."""
    hint = unnamed(hint)
    if get_origin(hint) is not Annotated:
        return hint
    inner, *metadata = get_args(hint)
    others = tuple(each for each in metadata if not isinstance(each, Marker))
    return Annotated[(inner, *others)] if others else inner
