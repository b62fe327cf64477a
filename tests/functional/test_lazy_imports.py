"""A worker loads large libraries only if it uses them."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

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


_LARGE = {"OpenSSL", "klein", "twisted.internet.ssl", "twisted.protocols.tls", "twisted.web", "unittest.mock"}


class WorkerTests(OrchestratorTestCase):
    """A worker of a service on a Unix socket."""

    config = '[services.modules]\napp = "modules:app"\n'

    def test_modules(self) -> None:
        """It has loaded neither TLS, nor a web server, nor what only tests need."""
        self.start()
        loaded = set(self.ask("modules", "/modules"))
        self.assertIn("unixsvc.orchestrator.worker.worker", loaded)
        self.assertEqual(_LARGE & loaded, set())


class TlsTests(SynchronousTestCase):
    """OpenSSL in a reactor of a process of its own."""

    def test_all(self) -> None:
        """TLS listening, connecting and STARTTLS work, and nothing of OpenSSL is loaded before."""
        key, certificate = write_certificate(self.mktemp())
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", _PROGRAM, key, certificate]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ("all True\n", ""))
