"""Events of server-sent event streams."""

from __future__ import annotations

import re
from typing import Final, Generic, TypeVar

from msgspec import Struct

__all__ = ["Event"]

_T_co = TypeVar("_T_co", covariant=True)
# An id with NUL is ignored by browsers; a line end would end the field.
_REFUSED: Final = re.compile(r"[\0\r\n]")


class Event(Struct, Generic[_T_co], frozen=True, omit_defaults=True):
    """An item of a stream with what server-sent events have besides their data.

    The action declares it: ``async def prices(self) -> AsyncIterator[Event[Price]]``. Over a socket, and as
    JSON lines, an item is the object with these fields, without those that have their default.

    :ivar data: the data, sent as JSON.
    :ivar id: a browser that has lost the connection sends the id of its last event as ``Last-Event-ID``, see
        :class:`~unixsvc.LastEventId`; None to leave the last one as it is.
    :ivar event: the name of the event in the browser; empty for ``message``.
    :ivar retry: the time after which a browser connects again, in milliseconds.
    :ivar text: True if ``data`` is a text that is sent as it is, not as JSON.
    :raises ValueError: for an id or a name that is more than a line.
    """

    data: _T_co
    id: str | None = None
    event: str = ""
    retry: int | None = None
    text: bool = False

    def __post_init__(self) -> None:
        for name, value in (("id", self.id), ("event", self.event)):
            if value and _REFUSED.search(value):
                raise ValueError(f"the {name} {value[:64]!r} of an event has line ends or NUL")
        if self.retry is not None and self.retry < 0:
            raise ValueError("the retry of an event is below 0")
        if self.text and not isinstance(self.data, str):
            raise ValueError("the data of an event with text=True is not a str")
