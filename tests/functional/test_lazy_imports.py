"""A worker loads large libraries, and the modules of features, only if it uses them."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.functional.http_stack import HttpTestCase
from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.unit.support.certificates import write_certificate

_PROGRAM = """
import sys
from unixsvc.transport.private_apis import tls_when_needed
with tls_when_needed():
    from twisted.internet import asyncioreactor
asyncioreactor.install()
from twisted.internet import reactor
assert not {"OpenSSL", "twisted.protocols.tls", "twisted.internet.ssl"} & {*sys.modules}, "it is loaded"

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, DefaultOpenSSLContextFactory
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS, SSL4ServerEndpoint

class Echo(Protocol):
    def dataReceived(self, data):
        if data == b"tls?":
            self.transport.write(b"tls!")
            self.transport.startTLS(server)
        else:
            self.transport.write(data)

class Ask(Protocol):
    def __init__(self):
        self.answered = Deferred()
    def ask(self, data):
        self.transport.write(data)
        return self.answered
    def dataReceived(self, data):
        answered, self.answered = self.answered, Deferred()
        answered.callback(data)

server = DefaultOpenSSLContextFactory(sys.argv[1], sys.argv[2])

async def main():
    plain = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1").getHost().port
    secure = reactor.listenSSL(0, Factory.forProtocol(Echo), server, interface="127.0.0.1").getHost().port
    made = Ask()
    connected = Deferred()
    class Connecting(Factory):
        def startedConnecting(self, connector): pass
        def clientConnectionFailed(self, connector, reason): connected.errback(reason)
        def clientConnectionLost(self, connector, reason): pass
        def buildProtocol(self, addr): return made
    made.connectionMade = lambda: connected.callback(None)
    reactor.connectSSL("127.0.0.1", secure, Connecting(), CertificateOptions())
    await connected
    assert await made.ask(b"connectSSL") == b"connectSSL"
    endpoint = wrapClientTLS(Options(), TCP4ClientEndpoint(reactor, "127.0.0.1", secure))
    wrapped = await connectProtocol(endpoint, Ask())
    assert await wrapped.ask(b"endpoint") == b"endpoint"
    upgraded = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", plain), Ask())
    assert await upgraded.ask(b"tls?") == b"tls!"
    upgraded.transport.startTLS(CertificateOptions())
    assert await upgraded.ask(b"startTLS") == b"startTLS"
    print("all", upgraded.transport.TLS)

from zope.interface import implementer
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from OpenSSL.SSL import Connection

@implementer(IOpenSSLClientConnectionCreator)
class Options:
    def clientConnectionForTLS(self, protocol):
        connection = Connection(CertificateOptions().getContext(), None)
        connection.set_connect_state()
        return connection

ensureDeferred(main()).addErrback(lambda failure: print(failure)).addBoth(lambda _: reactor.stop())
reactor.run()
"""


_KLEIN = """
import sys
from unixsvc.transport.private_apis import endpoints_when_needed, tls_when_needed
with tls_when_needed():
    from twisted.internet import asyncioreactor
asyncioreactor.install()
with endpoints_when_needed():
    import klein
assert not {"OpenSSL", "twisted.internet.endpoints"} & {*sys.modules}, "it is loaded"

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
assert isinstance(klein._app.serverFromString(reactor, "tcp:80"), TCP4ServerEndpoint)
reactor.callLater(0, reactor.stop)
klein.Klein().run(endpoint_description="tcp:0:interface=127.0.0.1")
"""

_COOKIES = """
import sys, warnings
from unixsvc.transport.private_apis import cookies_when_needed
with cookies_when_needed():
    from twisted.internet import defer
assert "http.cookiejar" not in sys.modules, "it is loaded"

warnings.simplefilter("ignore")
from twisted.python.compat import cookielib
jar = cookielib.CookieJar()
import http.cookiejar
assert type(jar) is http.cookiejar.CookieJar
from twisted.web.client import CookieAgent
"""

_LARGE = {"OpenSSL", "klein", "twisted.internet.ssl", "twisted.protocols.tls", "twisted.web", "unittest.mock"}
_LARGE |= {"email", "http.client", "http.cookiejar"}
_FEATURES = {
    "unixsvc.authentication.authenticator", "unixsvc.client", "unixsvc.contract.pydantic_schemas",
    "unixsvc.datasource.unix", "unixsvc.domain.uploads", "unixsvc.files", "unixsvc.interception.chain",
    "unixsvc.limiting.table", "unixsvc.rest", "unixsvc.routing.parameters.kinds", "unixsvc.routing.websocket",
    "unixsvc.security.user_gate", "unixsvc.server.websocket", "unixsvc.service.jobs",
    "unixsvc.service.readiness",
    "unixsvc.telemetry.access_log", "unixsvc.wire.websockets",
}  # fmt: skip


class WorkerTests(OrchestratorTestCase):
    """A worker of a service on a Unix socket."""

    config = '[services.modules]\napp = "modules:app"\n'

    def test_modules(self) -> None:
        """It has loaded neither TLS, nor a web server, nor what only tests or other applications need."""
        self.start()
        loaded = set(self.ask("modules", "/modules"))
        self.assertIn("unixsvc.orchestrator.worker.worker", loaded)
        self.assertEqual((_LARGE | _FEATURES) & loaded, set())


class GatewayTests(HttpTestCase):
    """A worker of a gateway without TLS."""

    config = '[http]\napp = "modules:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\n'

    def test_modules(self) -> None:
        """It has loaded Klein, and no OpenSSL."""
        self.serve()
        loaded = set(self.fetch("GET", "/modules").data)
        self.assertIn("klein", loaded)
        self.assertEqual({"OpenSSL", "twisted.internet.ssl", "unixsvc.rest.openapi.document"} & loaded, set())


class TlsTests(SynchronousTestCase):
    """OpenSSL in a reactor of a process of its own."""

    def test_all(self) -> None:
        """TLS listening, connecting and STARTTLS work, and nothing of OpenSSL is loaded before."""
        done = _run(_PROGRAM, *write_certificate(self.mktemp()))
        self.assertEqual((done.stdout, done.stderr), ("all True\n", ""))


class CookieTests(SynchronousTestCase):
    """Twisted in a process of its own, where it is imported without ``http.cookiejar``."""

    def test_names(self) -> None:
        """The deprecated name in ``twisted.python.compat`` has the real classes; others import the module."""
        done = _run(_COOKIES)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class KleinTests(SynchronousTestCase):
    """Klein in a process of its own, where it is imported without Twisted's endpoints."""

    def test_run(self) -> None:
        """``Klein.run()`` makes the endpoint with the real function."""
        done = _run(_KLEIN)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
