"""What a connection of a client has received."""

from __future__ import annotations

from msgspec import Raw, Struct

from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import ServiceError

__all__ = ["ErrorReceived", "Event", "HeadedData", "ItemReceived", "Received", "ResponseReceived", "data_of"]


class HeadedData(Struct, frozen=True):
    """A result with what the reply says over HTTP besides.

    :ivar data: as JSON.
    """

    data: Raw
    head: ReplyHead


Received = Raw | HeadedData
"""A result as JSON, with its head if it has one."""


class ResponseReceived(Struct, frozen=True, gc=False):
    """A call has succeeded; for a stream, it has ended.

    :ivar data: the result, as JSON.
    :ivar location: where the created resource is, as the service says; None if none was created.
    :ivar head: what the reply says over HTTP besides.
    """

    id: int
    data: Raw
    location: str | None = None
    head: ReplyHead | None = None

    @property
    def result(self) -> Received:
        """The result with its head."""
        return self.data if self.head is None else HeadedData(self.data, self.head)


class ErrorReceived(Struct, frozen=True):
    """A call has failed."""

    id: int
    error: ServiceError


class ItemReceived(Struct, frozen=True, gc=False):
    """One item of a stream.

    :ivar data: as JSON.
    :ivar head: what the reply says over HTTP besides; the first item may have it.
    """

    id: int
    data: Raw
    head: ReplyHead | None = None


Event = ResponseReceived | ErrorReceived | ItemReceived


def data_of(received: Received) -> Raw:
    """A result without its head, as JSON."""
    return received.data if isinstance(received, HeadedData) else received
