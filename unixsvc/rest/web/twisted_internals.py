"""The private names of twisted.web and Klein that are used here; checked with Twisted 26.10, Klein 24.8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from klein import Klein
from twisted.internet.interfaces import IPushProducer
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.server import Request
from werkzeug.routing import Map

__all__ = [
    "ParsedHeaders",
    "add_length",
    "is_write_paused",
    "replace_headers",
    "share_routes",
    "take_over_reading",
    "use_url_map",
]

_Pairs = Sequence[tuple[bytes, bytes]]


class ParsedHeaders(Headers):
    """Headers that take over a dict that has been parsed and checked.

    Adding the fields one by one would check and copy each again: 5 µs for the eight of a usual request.

    :ivar fields: values by name, in twisted.web's spelling.
    """

    __slots__ = ("fields",)

    def __init__(self, fields: dict[bytes, list[bytes]]) -> None:
        self.fields = self._rawHeaders = fields


def replace_headers(headers: Headers, first: _Pairs, others: _Pairs, date: bytes) -> None:
    """Set the headers of a response, in this order.

    Their names have twisted.web's spelling, and their values are checked: it takes 1 µs to do both again for
    each.

    :param date: the ``Date`` between them, unless there is one.
    """
    raw = headers._rawHeaders
    raw.pop(b"Server", None)
    dates = raw.pop(b"Date", None) or [date]
    for name, value in first:
        raw[name] = [value]
    raw[b"Date"] = dates
    for name, _ in others:
        raw[name] = []
    for name, value in others:  # some there are several of, as Set-Cookie
        raw[name].append(value)


def add_length(headers: Headers, length: int) -> None:
    """Set ``Content-Length``, unless it is there. Twisted would check the name and the value of a number."""
    raw = headers._rawHeaders
    if b"Content-Length" not in raw:
        raw[b"Content-Length"] = [b"%d" % length]


def take_over_reading(channel: HTTPChannel, transport: IPushProducer) -> None:
    """Leave it to the caller when a channel's transport is paused and resumed for reading."""
    channel._networkProducer = transport
    channel._handlingRequest = True  # while it is set, the channel does neither


def is_write_paused(request: Request) -> bool:
    """Whether a transport has paused the channel of a request, as its write buffer is full.

    A producer that is registered afterwards is not paused.
    """
    channel: Any = getattr(request, "channel", None)  # None after a disconnect
    return bool(getattr(channel, "_waitingForTransport", False))


def use_url_map(app: Klein, rules: Map) -> None:
    """Replace the map of an application, which has no rules yet."""
    app._url_map = rules


def share_routes(app: Klein, copy: Klein, rules: Map) -> None:
    """Make ``copy`` call the functions and error handlers of ``app``, found by other rules.

    Klein itself does so to bind an application to an instance.
    """
    copy._url_map, copy._endpoints = rules, app._endpoints
    copy._error_handlers, copy._instance = app._error_handlers, app._instance
