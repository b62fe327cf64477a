"""What a connection of a client has received."""

from __future__ import annotations

from msgspec import Raw, Struct

from unixsvc.errors import ServiceError

__all__ = ["ErrorReceived", "Event", "ItemReceived", "ResponseReceived"]


class ResponseReceived(Struct, frozen=True, gc=False):
    """A call has succeeded; for a stream, it has ended.

    :ivar data: the result, as JSON.
    :ivar location: where the created resource is, as the service says; None if none was created.
    """

    id: int
    data: Raw
    location: str | None = None


class ErrorReceived(Struct, frozen=True):
    """A call has failed."""

    id: int
    error: ServiceError


class ItemReceived(Struct, frozen=True, gc=False):
    """One item of a stream.

    :ivar data: as JSON.
    """

    id: int
    data: Raw


Event = ResponseReceived | ErrorReceived | ItemReceived
