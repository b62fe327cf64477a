"""A request of twisted.web, for Klein's routes and for other sites."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from twisted.python.failure import Failure
from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from unixsvc.rest.response import INTERNAL_ERROR
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.web.responses import set_headers
from unixsvc.rest.web.twisted_internals import ParsedHeaders
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["HttpRequest"]

_log: Final = LimitedLogger(__name__)
_FORM: Final = b"application/x-www-form-urlencoded"


class HttpRequest(Request):
    """A request without traversal of resources and without sessions."""

    channel: Any  # WebChannel; twisted.web declares no type
    _at_end: Callable[[bool], object] | None = None
    # The same as twisted.web's, without a call of a function for each use as a key.
    __hash__ = object.__hash__

    def take(self, head: Head, body: bytes) -> None:
        """Take over a request that has been parsed.

        It stands for ``requestReceived`` and ``process`` of twisted.web, which parse query and form of every
        request, look up a resource by path segments, and set the headers Server and Date.
        """
        self.method, self.uri, self.clientproto = head.method, head.target, head.version
        self.path = head.target.partition(b"?")[0]
        # Applications may change what they get, and the parser may use its fields again.
        self.requestHeaders = ParsedHeaders({name: [*values] for name, values in head.fields.items()})
        self.content = BytesIO(body)
        self.site = self.channel.site
        if b"Cookie" in head.fields:
            self.parseCookies()

    # Klein's routes read these; they are computed when they are first read, as most requests never need them.

    @cached_property
    def args(self) -> dict[bytes, list[bytes]]:  # type: ignore[override]
        """The fields of the query and of an urlencoded form; those of a multipart form are not included."""
        found: dict[bytes, list[bytes]] = parse_qs(self.uri.partition(b"?")[2], True)
        content_type = self.getHeader(b"Content-Type") or b""
        is_form = content_type.partition(b";")[0].strip().lower() == _FORM
        if self.method == b"POST" and is_form and self.content:
            found.update(parse_qs(self.content.getvalue(), True))
        return found

    @cached_property
    def prepath(self) -> list[bytes]:  # type: ignore[override]
        """The path segments that have been traversed: none."""
        return []

    @cached_property
    def postpath(self) -> list[bytes]:  # type: ignore[override]
        """The path segments, decoded."""
        return [unquote_to_bytes(segment) for segment in self.path[1:].split(b"/")]

    def call_at_end(self, callback: Callable[[bool], object]) -> None:
        """Call a function at the end of the response, as ``notifyFinish``, but without a Deferred.

        :param callback: its argument is whether the client has disconnected before the end.
        """
        self._at_end = callback

    def finish(self) -> None:
        """End the response."""
        super().finish()
        self._end(disconnected=False)

    def connectionLost(self, reason: Failure) -> None:
        """The client has disconnected."""
        self._end(disconnected=True)
        super().connectionLost(reason)

    def _end(self, *, disconnected: bool) -> None:
        if self._at_end is not None:
            callback, self._at_end = self._at_end, None
            callback(disconnected)

    def processingFailed(self, reason: Failure) -> Failure:
        """Respond with a problem, status 500, without details; twisted.web's own is HTML with a traceback."""
        _log.failure("request failed", reason)
        if self.finished or self.channel is None:
            return reason
        if self.startedWriting:  # a partial response must not look complete
            self.channel.abort()
            return reason
        self.setResponseCode(INTERNAL_ERROR.code)
        self.responseHeaders = Headers()
        set_headers(self, INTERNAL_ERROR)
        self.write(INTERNAL_ERROR.body)
        self.finish()
        return reason

    def write(self, data: bytes) -> None:
        """Send a part of the response; the head goes with the first, where twisted.web sends it by itself."""
        channel = self.channel
        super().write(data)
        if channel is not None:
            channel.flush()
