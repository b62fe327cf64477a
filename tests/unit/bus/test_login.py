"""Which servers may be used, and how a process logs in."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.bus.login import connector, why_refused
from unixsvc.config.nats import Nats, NatsAccess
from unixsvc.errors import ConfigError

_HERE = "nats://127.0.0.1:4222"
_ELSEWHERE = "nats://10.0.0.7:4222"


class ServerTests(SynchronousTestCase):
    def test_here(self) -> None:
        """A server of this machine need not demand a login."""
        for url in (_HERE, "nats://localhost", "nats://[::1]:4222", "tls://127.8.0.1:1"):
            self.assertEqual(why_refused(Nats((url,)), url, {}), "")

    def test_elsewhere(self) -> None:
        """Another one must, unless the table says so."""
        for url in (_ELSEWHERE, "tls://nats.example"):
            self.assertIn(
                "demands no authentication", why_refused(Nats((url,)), url, {"auth_required": False})
            )
            self.assertEqual(why_refused(Nats((url,), insecure=True), url, {}), "")
            for info in ({"auth_required": True}, {"tls_verify": True}):
                self.assertEqual(why_refused(Nats((url,)), url, info), "")

    def test_certificates(self) -> None:
        """A file that has no certificate is named."""
        access = NatsAccess(Nats((_ELSEWHERE,), tls_ca="/ca.pem"), authorities="nothing")
        self.assertIn("/ca.pem", str(self.assertRaises(ConfigError, connector, access, None)))
