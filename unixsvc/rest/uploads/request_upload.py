"""The body of one request, as the router and the action read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

from msgspec import Struct

from unixsvc.domain.request_context import lift_deadline
from unixsvc.domain.uploads.interfaces import ReceivedForm
from unixsvc.domain.uploads.upload_file import RunBlocking
from unixsvc.errors import TooLarge, Unavailable
from unixsvc.rest.bodies import (
    RequestHeaders,
    UnsupportedMediaType,
    decode_urlencoded,
    read_content_type,
)
from unixsvc.rest.multipart.part_head import boundary_of
from unixsvc.rest.server.body.incoming import IncomingBody
from unixsvc.rest.uploads.form import FormLimits, FormReader
from unixsvc.rest.uploads.spool import Spool
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["RequestUpload", "UploadSettings"]

_MULTIPART: Final = b"multipart/form-data"
_URLENCODED: Final = b"application/x-www-form-urlencoded"
_NOT_WRITTEN: Final = "an upload was refused, as its file cannot be written: {error}"
_log: Final = LimitedLogger(__name__)


class UploadSettings(Struct, frozen=True):
    """The settings of all uploads.

    :ivar folder: of temporary files; empty for the system's.
    :ivar spool_over: the most bytes of the files of a form that stay in memory.
    :ivar limits: the limits of a form.
    """

    folder: str
    spool_over: int
    limits: FormLimits


class RequestUpload:
    """Reads the body of one request.

    :param body: the body, which may still arrive.
    :param headers: of the request.
    """

    def __init__(self, body: IncomingBody, headers: RequestHeaders, settings: UploadSettings) -> None:
        self.body: Final = body
        self._headers = headers
        self._settings = settings
        self._spool: Spool | None = None
        self.form: ReceivedForm | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they arrive. Only one reader gets them."""
        lift_deadline()
        while data := await self.body.read():
            yield data

    async def receive_form(self, fields: Mapping[str, int], run: RunBlocking[object]) -> None:
        """Receive all of a form; see :class:`~unixsvc.domain.uploads.interfaces.Upload`."""
        lift_deadline()
        settings, body = self._settings, self.body
        if body.complete and not body.held:
            self.form = ReceivedForm(b"", {})
            return
        content_type, media_type = read_content_type(self._headers)
        if media_type == _URLENCODED:
            self.form = ReceivedForm(await self._receive_text(), {})
            return
        if media_type != _MULTIPART:
            raise UnsupportedMediaType(f"the Content-Type must be {_MULTIPART.decode()}")
        spool = self._spool = Spool(settings.folder, settings.spool_over, run)
        reader = FormReader(boundary_of(content_type), fields, settings.limits, spool, run)
        while data := await body.read():
            reader.feed(data)
            del data
            body.keep(reader.held)
            if spool.must_write:
                await _write(spool)
                body.keep(reader.held)
        self.form = reader.finish()

    async def _receive_text(self) -> bytes:
        received, limit = bytearray(), self._settings.limits.max_text
        while data := await self.body.read():
            received += data
            if len(received) > limit:
                raise TooLarge(limit)
            self.body.keep(len(received))
        body = bytes(received)
        decode_urlencoded(body)
        return body

    def close(self) -> None:
        """Remove the files, and drop what has not been read: the request has ended."""
        if self._spool is not None:
            self._spool.close()
        self.body.close()


async def _write(spool: Spool) -> None:
    try:
        await spool.write()
    except OSError as error:
        _log.emit("error", "upload not written", _NOT_WRITTEN, error=error)
        raise Unavailable from error
