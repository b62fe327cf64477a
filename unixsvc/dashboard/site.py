"""The HTTP connections of the page, on twisted.web."""

from __future__ import annotations

from typing import Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

__all__ = ["MAX_BODY", "PageRequest", "PageSite"]

MAX_BODY: Final = 16_384
"""The most bytes of the body of a request; an order has less than 200."""
_SILENCE: Final = 60.0  # seconds until a connection without a request is closed


class PageRequest(Request):
    """A request with a small body: one that is larger ends the connection."""

    def __init__(self, *args: Any, **options: Any) -> None:  # as Twisted has it
        super().__init__(*args, **options)
        self._received = 0

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body."""
        self._received += len(data)
        if self._received <= MAX_BODY:
            super().handleContentChunk(data)
        else:
            self.channel.forceAbortClient()

    def process(self) -> None:
        """Answer it, unless its connection has ended; the parser does not notice that."""
        if self._received <= MAX_BODY:
            super().process()


class PageSite(Site):
    """Logs no requests: an open page makes many, and what changes something is logged by the page.

    :param reactor: has the clock of its time-outs. ``Any``: it is not used otherwise.
    """

    displayTracebacks = False
    noisy = False

    def __init__(self, pages: Resource, reactor: Any) -> None:
        super().__init__(pages, requestFactory=PageRequest, timeout=_SILENCE, reactor=reactor)

    def startFactory(self) -> None:
        """Do nothing: twisted.web opens an access log here, with a timer of its own."""

    def stopFactory(self) -> None:
        """Do nothing: there is no access log to close."""

    def log(self, request: Any) -> None:
        """Do nothing."""
