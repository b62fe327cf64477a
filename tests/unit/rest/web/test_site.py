"""The factory of HTTP connections."""

from __future__ import annotations

from twisted.internet.interfaces import IProtocolFactory
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from tests.unit.rest.http_connection import ServerTestCase


class SiteTests(ServerTestCase):
    """The factory."""

    def test_interfaces(self) -> None:
        """It is a protocol factory, and a site of twisted.web for its sessions."""
        verifyObject(IProtocolFactory, self.site)
        self.assertIsInstance(self.site, Site)
        self.assertEqual(self.site.acceptableProtocols(), [b"http/1.1"])
