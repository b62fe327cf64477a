"""Finds the parameters that come from elsewhere than the path and the data."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from typing import Annotated, Final, get_args, get_origin

from unixsvc.domain.validation.type_forms import TypeForm, unnamed
from unixsvc.routing.parameters.interfaces import ParameterSource

__all__ = ["find_sources"]

_STREAMS: Final = (AsyncIterator, AsyncIterable, AsyncGenerator)
_OWN: Final = "unixsvc."
_PLAIN: Final = "unixsvc.domain.message"  # has the request, which is no kind


def find_sources(
    hints: Mapping[str, TypeForm], defaults: Mapping[str, object], where: str
) -> dict[str, ParameterSource]:
    """Return the sources of those parameters that have one of a special kind.

    :param hints: the annotations by the names of the parameters.
    :param defaults: ``REQUIRED`` for parameters without one.
    :param where: the route, for error messages.
    :raises unixsvc.errors.ConfigError: if an annotation can never work.
    """
    if not any(map(_may_be_special, hints.values())):
        return {}
    # Late: the actions of many services need only paths and data.
    from unixsvc.routing.parameters.kinds import find_special_sources

    return find_special_sources(hints, defaults, where)


def _may_be_special(hint: TypeForm) -> bool:
    """Whether a kind may recognize an annotation: one with a class or a marker of ours, or with a stream."""
    hint = unnamed(hint)
    form, *others = get_args(hint) or (None,)
    if get_origin(hint) is Annotated:
        return any(map(_is_own, others)) or _may_be_special(form)
    origin = get_origin(hint) or hint
    return origin in _STREAMS or _is_own(origin) or any(map(_may_be_special, get_args(hint)))


def _is_own(thing: object) -> bool:
    module = str(getattr(thing, "__module__", ""))  # of a class, or of the class of an object
    return module.startswith(_OWN) and module != _PLAIN
