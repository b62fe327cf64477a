"""Endpoints of sockets that another process has bound."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import uvloop
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IListeningPort,
    IPushProducer,
    ISSLTransport,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from tests.unit.support.certificates import Authority, write_certificate
from unixsvc.config.http import Listen, parse_listen
from unixsvc.domain.client_certificate import certificate_of
from unixsvc.listen.adopted import AdoptedServerEndpoint, JoinedServerEndpoint
from unixsvc.listen.balance.connection_counts import WorkerSlot
from unixsvc.listen.certificates import read_certificate
from unixsvc.listen.interfaces import IAdoptingEndpoint
from unixsvc.listen.tls import TlsContext, make_tls_context
from unixsvc.transport.loop_transport import address_of
from unixsvc.transport.unsent_replies import write_buffer_size


class _Echo(Protocol):
    """Sends back what it gets.

    :ivar address: of the client.
    :ivar received: what it got.
    """

    address: Any = None
    received = b""

    def dataReceived(self, data: bytes) -> None:
        """Bytes have come."""
        transport: Any = self.transport
        self.address = transport.getPeer()
        self.received += data
        transport.write(data)


@implementer(IPushProducer)
class _Producer(Protocol):
    """Sends a reply, and notes whether it is taken.

    :ivar size: the bytes that waited when it was paused.
    :ivar pauses: how often it was.
    """

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self.paused: Deferred[None] = Deferred()
        self.resumed: Deferred[None] = Deferred()
        self.size = self.pauses = 0

    def dataReceived(self, data: bytes) -> None:
        """Send it."""
        transport: Any = self.transport
        transport.registerProducer(self, True)
        transport.write(self._reply)

    def pauseProducing(self) -> None:
        """The client does not take it."""
        self.pauses += 1
        self.size = write_buffer_size(self.transport)
        self.paused.callback(None)

    def resumeProducing(self) -> None:
        """The client takes it."""
        self.resumed.callback(None)

    def stopProducing(self) -> None:
        """The connection is lost."""


def tls_context(listen: Listen, seconds: float = 10.0, most: int = 100) -> TlsContext:
    """A TLS context for an endpoint."""
    return TlsContext(make_tls_context(read_certificate(listen), listen), seconds, most)


class AdoptedTests(SynchronousTestCase):
    """TCP clients, with and without TLS."""

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of asyncio."""
        return asyncio.new_event_loop()

    def setUp(self) -> None:
        """A loop and a worker's slot."""
        self.loop = self.make_loop()
        self.addCleanup(self.loop.close)
        self.slot = WorkerSlot()
        self.connections: list[Any] = []

    def listening(self) -> socket.socket:
        """A socket that listens on any port."""
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        self.addCleanup(listening.close)
        return listening

    def connected(self) -> _Echo:
        """Make the protocol of a connection."""
        self.connections.append(_Echo())
        protocol: _Echo = self.connections[-1]
        return protocol

    def converse(self, endpoint: Any, *ports: int, tls: ssl.SSLContext | None = None) -> list[bytes]:
        """Send hello to each port; the replies."""

        async def hello(port: int) -> bytes:
            name = "localhost" if tls else None
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
            writer.write(b"hello")
            answer = await reader.readexactly(5)
            self.during()
            writer.close()
            await writer.wait_closed()
            return answer

        async def converse() -> list[bytes]:
            listening = await endpoint.listen(Factory.forProtocol(self.connected)).asFuture(self.loop)
            verifyObject(IListeningPort, listening)
            answers = [await hello(port) for port in ports]
            while self.slot.connections:
                await asyncio.sleep(0.001)
            listening.stopListening()
            return answers

        return self.loop.run_until_complete(asyncio.wait_for(converse(), 10))

    def during(self) -> None:
        """Check the connection while it is open."""
        self.assertEqual(self.slot.connections, 1)
        self.secure = ISSLTransport.providedBy(self.connections[-1].transport)
        self.peer = self.connections[-1].transport.getPeer()
        handle = self.connections[-1].transport.getHandle()
        self.assertTrue(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_interfaces(self) -> None:
        """Both classes are stream server endpoints that adopt connections."""
        for kind in (AdoptedServerEndpoint, JoinedServerEndpoint):
            verifyClass(IStreamServerEndpoint, kind)
            verifyClass(IAdoptingEndpoint, kind)

    def test_tcp(self) -> None:
        """A TCP client is served and counted, and its address is known."""
        listening = self.listening()
        endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot)
        self.assertEqual(self.converse(endpoint, listening.getsockname()[1]), [b"hello"])
        self.assertFalse(self.secure)
        self.assertIsInstance(self.peer, IPv4Address)

    def test_several(self) -> None:
        """Several sockets are one endpoint and are closed together."""
        first, second = self.listening(), self.listening()
        ports = [each.getsockname()[1] for each in (first, second)]
        endpoints = [AdoptedServerEndpoint(self.loop, each, self.slot) for each in (first, second)]
        self.assertEqual(self.converse(JoinedServerEndpoint(endpoints), *ports), [b"hello"] * 2)
        self.assertEqual((first.fileno(), second.fileno()), (-1, -1))

    def test_tls(self) -> None:
        """A TLS connection is served, and its transport provides ISSLTransport."""
        key, certificate = write_certificate(self.mktemp())
        listen = parse_listen(f"ssl:0:privateKey={key}:certKey={certificate}")
        trusting = ssl.create_default_context(cafile=certificate)
        listening = self.listening()
        endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot, tls_context(listen))
        self.assertEqual(self.converse(endpoint, listening.getsockname()[1], tls=trusting), [b"hello"])
        self.assertTrue(self.secure)

    def test_tls_client_that_does_not_read(self) -> None:
        """The producer of a large reply is paused, and knows how much waits; nothing of the reply is lost."""
        key, certificate = write_certificate(self.mktemp())
        listen = parse_listen(f"ssl:0:privateKey={key}:certKey={certificate}")
        listening = self.listening()
        endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot, tls_context(listen))
        reply = bytes(range(256)) * 65_536  # 16 MiB
        producer = _Producer(reply)
        trusting = ssl.create_default_context(cafile=certificate)

        async def converse() -> bytes:
            await endpoint.listen(Factory.forProtocol(lambda: producer)).asFuture(self.loop)
            reader, writer = await asyncio.open_connection(*listening.getsockname(), ssl=trusting, limit=1024)
            writer.write(b"send")
            await producer.paused.asFuture(self.loop)
            received = await reader.readexactly(len(reply))
            await producer.resumed.asFuture(self.loop)
            writer.close()
            while self.slot.connections:
                await asyncio.sleep(0.001)
            return received

        self.assertEqual(self.loop.run_until_complete(asyncio.wait_for(converse(), 30)), reply)
        self.assertGreater(producer.size, 4_000_000)
        self.assertEqual(producer.pauses, 1)

    def test_not_encrypted(self) -> None:
        """A client that does not speak TLS is closed and no longer counted."""
        key, certificate = write_certificate(self.mktemp())
        listen = parse_listen(f"ssl:0:privateKey={key}:certKey={certificate}")
        listening = self.listening()
        where = listening.getsockname()
        endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot, tls_context(listen))

        async def converse() -> bytes:
            await endpoint.listen(Factory.forProtocol(self.connected)).asFuture(self.loop)
            reader, writer = await asyncio.open_connection(*where)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            answer = await reader.read()
            writer.close()
            while self.slot.connections:
                await asyncio.sleep(0.001)
            return answer

        self.assertNotIn(b"GET", self.loop.run_until_complete(asyncio.wait_for(converse(), 10)))

    def test_handshake_timeout(self) -> None:
        """A handshake times out; connections over the limit are closed before it."""
        key, certificate = write_certificate(self.mktemp())
        listen = parse_listen(f"ssl:0:privateKey={key}:certKey={certificate}")
        listening = self.listening()
        where = listening.getsockname()
        tls = tls_context(listen, seconds=0.2, most=3)
        endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot, tls)

        async def converse() -> int:
            await endpoint.listen(Factory.forProtocol(self.connected)).asFuture(self.loop)
            clients = [await asyncio.open_connection(*where) for _ in range(5)]
            while self.slot.connections < 3:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            started = self.slot.connections
            for reader, writer in clients:
                await reader.read()  # to its end
                writer.close()
            while self.slot.connections:
                await asyncio.sleep(0.001)
            return started

        self.assertEqual(self.loop.run_until_complete(asyncio.wait_for(converse(), 10)), 3)

    def test_new_certificate(self) -> None:
        """A certificate that takes the place of another is that of new connections, and not of others."""
        key, certificate = write_certificate(self.mktemp())
        listen = parse_listen(f"ssl:0:privateKey={key}:certKey={certificate}")
        other_key, other = write_certificate(self.mktemp(), "other")
        new = parse_listen(f"ssl:0:privateKey={other_key}:certKey={other}")
        trusting = ssl.create_default_context(cafile=certificate)
        trusting.load_verify_locations(other)
        listening = self.listening()
        tls = tls_context(listen)
        endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot, tls)

        async def connect() -> tuple[str, asyncio.StreamWriter]:
            where = listening.getsockname()
            _, writer = await asyncio.open_connection(*where, ssl=trusting, server_hostname="localhost")
            [[[_, name]]] = writer.get_extra_info("peercert")["subject"]
            return name, writer

        async def converse() -> list[str]:
            await endpoint.listen(Factory.forProtocol(self.connected)).asFuture(self.loop)
            before, kept = await connect()
            tls.context = tls_context(new).context
            after, closed = await connect()
            kept.write(b"hello")
            while not self.connections[0].received:
                await asyncio.sleep(0.001)
            for writer in (kept, closed):
                writer.close()
            while self.slot.connections:
                await asyncio.sleep(0.001)
            return [before, after]

        names = self.loop.run_until_complete(asyncio.wait_for(converse(), 10))
        self.assertEqual(names, ["localhost", "other"])

    def test_client_certificate(self) -> None:
        """The address of a client has its verified certificate; that of a client without one is as usual."""
        folder = self.mktemp()
        key, certificate = write_certificate(folder)
        authority = Authority(folder)
        more = f":clientCA={authority.path}:clientCert=optional"
        listen = parse_listen(f"ssl:0:privateKey={key}:certKey={certificate}{more}")
        for pair in (None, authority.issue("alice")):
            trusting = ssl.create_default_context(cafile=certificate)
            if pair is not None:
                trusting.load_cert_chain(pair[1], pair[0])
            listening = self.listening()
            endpoint = AdoptedServerEndpoint(self.loop, listening, self.slot, tls_context(listen))
            self.converse(endpoint, listening.getsockname()[1], tls=trusting)
            address = self.connections[-1].address
            found = certificate_of(address)
            self.assertEqual(found and found.common_name, pair and "alice")
            self.assertEqual(address.host, "127.0.0.1")

    def test_addresses(self) -> None:
        """Addresses of sockets become addresses of Twisted."""
        self.assertEqual(address_of(("127.0.0.1", 80)), IPv4Address("TCP", "127.0.0.1", 80))
        self.assertEqual(address_of(("::1", 80, 0, 0)), IPv6Address("TCP", "::1", 80, 0, 0))
        self.assertEqual((address_of("/x"), address_of("")), (UNIXAddress("/x"), UNIXAddress(None)))


class WorkerTests(AdoptedTests):
    """The same on uvloop, whose own server accepts connections without TLS."""

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of workers."""
        return uvloop.new_event_loop()
