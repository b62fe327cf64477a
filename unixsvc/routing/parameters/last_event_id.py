"""The id of the last event that a client has seen, to resume a stream of events."""

from __future__ import annotations

from typing import Annotated, Final, get_args, get_origin

from msgspec import Struct

from unixsvc.contract.describe import ParameterDescription
from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import FieldError
from unixsvc.domain.validation.type_forms import TypeForm, members_of, unnamed
from unixsvc.errors import ConfigError
from unixsvc.routing.parameters.interfaces import ParameterSource

__all__ = ["LAST_EVENT_ID", "LastEventId", "LastEventIdKind"]

LAST_EVENT_ID: Final = "Last-Event-ID"


class LastEventId(Struct, frozen=True):
    """Marks the parameter that gets the id of the last :class:`~unixsvc.Event` that a client has seen.

    ``async def prices(self, last: Annotated[str | None, LastEventId()]) -> AsyncIterator[Event[Price]]``. The
    id is the header ``Last-Event-ID``, which browsers send when they connect again; on a socket it is the
    entry ``last-event-id`` of ``meta``. None without one.
    """


class _Source(Struct, frozen=True):
    """Reads the id."""

    @property
    def descriptions(self) -> tuple[ParameterDescription]:
        """For the contract."""
        text = "The id of the last event that was received: the stream continues after it."
        return (ParameterDescription(LAST_EVENT_ID, "header", str, False, text),)

    @property
    def body(self) -> BodyKind | None:
        """The body does not matter."""
        return None

    def read(self, request: Request, errors: list[FieldError]) -> str | None:
        """Return the id, which browsers send in UTF-8."""
        found = request.header(LAST_EVENT_ID)
        if found is None or request.headers is None:
            return found
        return found.encode("latin-1").decode("utf-8", "replace")


class LastEventIdKind:
    """Recognizes parameters with the marker."""

    def source(self, name: str, hint: TypeForm, default: object, where: str) -> ParameterSource | None:
        """Return the source of a parameter; None without the marker.

        :raises ConfigError: if the type cannot be that of an id that may be absent.
        """
        if not any(isinstance(each, LastEventId) for each in _metadata(hint)):
            return None
        if set(members_of(hint)) != {str, type(None)}:
            remedy = "annotate it as Annotated[str | None, LastEventId()]"
            raise ConfigError(where, f"the last event id {name!r} is not of the type str | None", remedy)
        return _Source()


def _metadata(hint: TypeForm) -> list[object]:
    found: list[object] = []
    hint = unnamed(hint)
    while get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        found += metadata
        hint = unnamed(inner)
    return found
