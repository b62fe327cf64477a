"""What the router needs of a body that arrives while its action runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from msgspec import Struct

from unixsvc.domain.uploads.upload_file import RunBlocking, UploadFile

__all__ = ["ReceivedForm", "Upload"]


class ReceivedForm(Struct, frozen=True):
    """A form of the type ``multipart/form-data``.

    :ivar text: its text fields, urlencoded.
    :ivar files: its files, by field.
    """

    text: bytes
    files: dict[str, list[UploadFile]]


class Upload(Protocol):
    """The body of a request, which arrives while the action runs.

    :ivar form: what :meth:`receive_form` has received.
    """

    form: ReceivedForm | None

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the bytes as they arrive. Only one reader gets them."""

    async def receive_form(self, fields: Mapping[str, int], run: RunBlocking[object]) -> None:
        """Receive all of a form.

        :param fields: the most files of each field that takes files.
        :param run: calls functions in a thread.
        :raises unixsvc.errors.ServiceError: if the form is rejected, or does not arrive.
        """

    def close(self) -> None:
        """Remove the files, and drop what has not been read: the request has ended."""
