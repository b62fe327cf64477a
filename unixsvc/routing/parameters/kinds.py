"""All kinds of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.errors import ConfigError
from unixsvc.routing.parameters.body_stream import BodyStreamKind
from unixsvc.routing.parameters.client_info import ClientInfoKind
from unixsvc.routing.parameters.cookie import CookieKind
from unixsvc.routing.parameters.current_user import UserKind
from unixsvc.routing.parameters.files import FileKind
from unixsvc.routing.parameters.header import HeaderKind
from unixsvc.routing.parameters.interfaces import ALONE_REMEDY, ParameterKind, ParameterSource
from unixsvc.routing.parameters.last_event_id import LastEventIdKind
from unixsvc.routing.parameters.query import QueryKind
from unixsvc.routing.parameters.websocket import WebSocketKind

__all__ = ["KINDS", "find_special_sources"]

KINDS: Final[tuple[ParameterKind, ...]] = (
    HeaderKind(),
    CookieKind(),
    QueryKind(),
    ClientInfoKind(),
    UserKind(),
    FileKind(),
    BodyStreamKind(),
    LastEventIdKind(),
    WebSocketKind(),
)


def find_special_sources(
    hints: Mapping[str, TypeForm], defaults: Mapping[str, object], where: str
) -> dict[str, ParameterSource]:
    """Return the sources of those parameters that have one.

    :param hints: the annotations by the names of the parameters.
    :param defaults: ``REQUIRED`` for parameters without one.
    :param where: the route, for error messages.
    :raises unixsvc.errors.ConfigError: if an annotation can never work.
    """
    sources: dict[str, ParameterSource] = {}
    for name, hint in hints.items():
        for kind in KINDS:
            source = kind.source(name, hint, defaults[name], where)
            if source is not None:
                sources[name] = source
                break
    _require_different(sources, where)
    return sources


def _require_different(sources: Mapping[str, ParameterSource], where: str) -> None:
    """Require that no two parameters have the same place."""
    known: dict[tuple[str, str], str] = {}
    found = [(name, each) for name, source in sources.items() for each in source.descriptions]
    for name, each in found:
        place = (each.place, each.name)
        if known.setdefault(place, name) != name:
            problem = f"the parameters {known[place]!r} and {name!r} are the same {place[0]} {place[1]!r}"
            raise ConfigError(where, problem, "remove one of them")
        others = [other for other, its in found if other != name and its.place == each.place]
        if each.alone and others:
            problem = f"{name!r} takes all of the {each.place}, which leaves nothing for {others[0]!r}"
            raise ConfigError(where, problem, ALONE_REMEDY)
