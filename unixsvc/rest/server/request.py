"""A request of HTTP on its way through twisted.web: straight to the gateway."""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import parse_qs
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET, Request

from unixsvc.errors import Internal
from unixsvc.rest.problem import PROBLEM, problem
from unixsvc.rest.server.request_head import Fields, Head

__all__ = ["HttpRequest"]

_log: Final = Logger()
_FORM: Final = b"application/x-www-form-urlencoded"


class HttpRequest(Request):
    """A request that goes to the gateway with no traversal of resources, and no session."""

    channel: Any

    def begin(self, head: Head, body: bytes) -> None:
        """Be answered.

        It stands where twisted.web's ``requestReceived`` does, which parses query and form for each request,
        wanted or not.
        """
        self.method, self.uri, self.clientproto = head.method, head.target, head.version
        self.path = head.target.partition(b"?")[0]
        self.requestHeaders = Fields(head.fields)
        self.content = BytesIO(body)
        self.site = self.channel.site
        if b"Cookie" in head.fields:
            self.parseCookies()
        self.process()

    # What Klein's routes read, and most requests do not have read.

    @cached_property
    def args(self) -> dict[bytes, list[bytes]]:  # type: ignore[override]
        """The values of the query and an urlencoded form, by their names; none of a multipart form."""
        found: dict[bytes, list[bytes]] = parse_qs(self.uri.partition(b"?")[2], True)
        kind = self.getHeader(b"Content-Type") or b""
        if self.method == b"POST" and kind.partition(b";")[0].strip().lower() == _FORM and self.content:
            found.update(parse_qs(self.content.getvalue(), True))
        return found

    @cached_property
    def prepath(self) -> list[bytes]:  # type: ignore[override]
        """The segments that lead to a resource: none yet."""
        return []

    @cached_property
    def postpath(self) -> list[bytes]:  # type: ignore[override]
        """The segments of the path, decoded."""
        return [unquote_to_bytes(each) for each in self.path[1:].split(b"/")]

    # What twisted.web does in another way.

    def process(self) -> None:
        """Have the gateway answer. Twisted's own looks for the resource, and sets Server and Date."""
        try:
            if self.path == b"*":
                self.setResponseCode(204)
                self.finish()
                return
            resource: Any = IResource(self.channel.site.resource)
            body = resource.render(self)
            if body is not NOT_DONE_YET:
                self.setHeader(b"Content-Length", b"%d" % len(body))
                self.write(body)
                self.finish()
        except Exception:
            self.processingFailed(Failure())

    def processingFailed(self, reason: Failure) -> Failure:
        """Answer with 500 and nothing more; Twisted's own is HTML."""
        _log.failure("a request cannot be answered", reason)
        if self._disconnected or self.finished:
            return reason
        if self.startedWriting:  # half an answer must not look like a whole one
            self.channel.cut_off()
            return reason
        body = problem(Internal.code, Internal.message)
        self.setResponseCode(Internal.code)
        self.responseHeaders = Headers({b"Content-Type": [PROBLEM], b"Content-Length": [b"%d" % len(body)]})
        self.write(body)
        self.finish()
        return reason

    def write(self, data: bytes) -> None:
        """Send a part of the answer; the first together with the head, which Twisted's own sends alone."""
        channel = self.channel
        super().write(data)
        if channel is not None:
            channel.flush()
