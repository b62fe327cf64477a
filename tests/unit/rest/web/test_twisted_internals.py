"""The private names of twisted.web that the HTTP server relies on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel, Request
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import Request as ServerRequest
from twisted.web.server import Site

import unixsvc.rest
from unixsvc.rest.web.twisted_internals import (
    ParsedHeaders,
    add_length,
    is_write_paused,
    replace_headers,
    take_over_reading,
)


class InternalsTests(SynchronousTestCase):
    def test_headers(self) -> None:
        """Parsed headers equal those that twisted.web builds itself."""
        built = Headers({b"X-A": [b"1", b"2"]})
        parsed = ParsedHeaders({b"X-A": [b"1", b"2"]})
        self.assertEqual(list(parsed.getAllRawHeaders()), list(built.getAllRawHeaders()))
        self.assertEqual(parsed.getRawHeaders("x-a"), ["1", "2"])

    def test_response_headers(self) -> None:
        """Headers that are replaced equal those that are set one by one."""
        for before in ({}, {b"Server": [b"s"], b"Date": [b"today"], b"ETag": [b"old"], b"X-A": [b"b"]}):
            replaced, built = Headers(before), Headers(before)
            replace_headers(replaced, [(b"ETag", b'"a"')], [(b"WWW-Authenticate", b"Bearer")], b"now")
            built.removeHeader(b"Server")
            built.setRawHeaders(b"etag", [b'"a"'])
            built.setRawHeaders(b"date", [b"today" if before else b"now"])
            built.setRawHeaders(b"www-authenticate", [b"Bearer"])
            self.assertEqual(sorted(replaced.getAllRawHeaders()), sorted(built.getAllRawHeaders()))

    def test_several(self) -> None:
        """Fields with one name are all set, in place of those before."""
        headers = Headers({b"Set-Cookie": [b"old"]})
        replace_headers(headers, [], [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")], b"now")
        self.assertEqual(headers.getRawHeaders("set-cookie"), ["a=1", "b=2"])

    def test_length(self) -> None:
        """A length is set as twisted.web sets it, unless there is one."""
        headers = Headers()
        add_length(headers, 7)
        self.assertEqual(headers.getRawHeaders("content-length"), ["7"])
        headers.setRawHeaders(b"content-length", [b"8"])
        add_length(headers, 7)
        self.assertEqual(headers.getRawHeaders("content-length"), ["8"])

    def test_spelling(self) -> None:
        """The headers of responses have twisted.web's spelling."""
        source = Path(unixsvc.rest.__file__).parent
        files = [*source.glob("*.py"), *source.glob("headers/*.py")]
        names = {name for file in files for name in re.findall(rb'b"([A-Z][A-Za-z-]+): ', file.read_bytes())}
        names |= {
            name for file in files for name in re.findall(rb'\(b"([A-Z][A-Za-z-]+)", ', file.read_bytes())
        }
        self.assertGreater(len(names), 15)
        for name in names:
            headers = Headers()
            headers.setRawHeaders(name, [b"x"])
            self.assertEqual([*headers.getAllRawHeaders()], [(name, [b"x"])])

    def test_reading(self) -> None:
        """A channel whose reading is taken over leaves its transport alone; another one pauses it."""
        for take_over, state in ((False, "paused"), (True, "producing")):
            transport, channel = StringTransport(), HTTPChannel()
            channel.makeConnection(transport)
            if take_over:
                take_over_reading(channel, transport)
            channel.pauseProducing()
            self.assertEqual(transport.producerState, state)

    def test_write_paused(self) -> None:
        """A request knows whether its channel was paused before, and one without a channel is not paused."""
        channel: Any = HTTPChannel()
        channel.site = Site(Resource())
        channel.makeConnection(StringTransport())
        request = ServerRequest(channel)
        self.assertFalse(is_write_paused(request))
        channel.pauseProducing()
        self.assertTrue(is_write_paused(request))
        Request.connectionLost(request, ConnectionError())
        self.assertFalse(is_write_paused(request))
