"""The private names of twisted.web that the HTTP server relies on."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel, Request
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource
from twisted.web.server import Request as ServerRequest
from twisted.web.server import Site

from unixsvc.rest.web.twisted_internals import ParsedHeaders, is_write_paused, take_over_reading


class InternalsTests(SynchronousTestCase):
    def test_headers(self) -> None:
        """Parsed headers equal those that twisted.web builds itself."""
        built = Headers({b"X-A": [b"1", b"2"]})
        parsed = ParsedHeaders({b"X-A": [b"1", b"2"]})
        self.assertEqual(list(parsed.getAllRawHeaders()), list(built.getAllRawHeaders()))
        self.assertEqual(parsed.getRawHeaders("x-a"), ["1", "2"])

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
