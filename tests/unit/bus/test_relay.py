"""Programs of one host that call services of another, by the service ``nats``."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from typing import Any

from twisted.internet.defer import Deferred

from tests.unit.bus.test_calls import ClusterCase
from tests.unit.support.memory_connection import Actions
from unixsvc.bus.node import Node
from unixsvc.bus.relay import handler
from unixsvc.bus.transport import CircuitTransport
from unixsvc.client.discovery.connect import connect_through_relay
from unixsvc.client.discovery.location import Credentials, ServiceLocation
from unixsvc.config.settings import Limits, Security
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import Unauthorized
from unixsvc.server.context import HandlerContext
from unixsvc.testing import MemoryEndpoint
from unixsvc.testing.memory import MemoryTransport


class Cluster:
    """What the handler needs of the cluster."""

    def __init__(self, node: Node, socket_dir: str) -> None:
        self.node = node
        self.socket_dir = socket_dir

    def open(self, service: str, host: str = "") -> Deferred[CircuitTransport]:
        """Open a circuit."""
        return self.node.open(service, host)


class Guarded(Actions):
    """Lets callers with the token ``t`` pass."""

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        self.requests.append(request)
        return Reply() if request.auth_token == "t" else error_to_reply(Unauthorized("no token"))


class RelayCase(ClusterCase):
    """Has the service on the first host."""

    def setUp(self) -> None:
        """Make it."""
        super().setUp()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.handle = Guarded()
        self.endpoint = MemoryEndpoint()
        context = HandlerContext(
            "nats",
            self.handle,
            self.endpoint,
            Limits(),
            Security(),
            self.clock,
            cluster=Cluster(self.one.node, self.folder),
        )
        self.relay = handler(context)
        self.successResultOf(Deferred.fromCoroutine(self.relay.listen()))

    def connect(self, line: bytes = b'{"to":"shop","auth_token":"t"}\n') -> tuple[Any, MemoryTransport]:
        """Connect a program that sends these bytes; its protocol and its transport."""
        connection, transport = self.endpoint.connect()
        connection.dataReceived(line)
        self.settle()
        return connection, transport


class RelayTests(RelayCase):
    def test_call(self) -> None:
        """After the first line, a program talks with the service of the other host."""
        connection, transport = self.connect()
        connection.dataReceived(b'{"id":1,"path":"/now","data":{"n":1}}\n{"id":2')
        self.settle()
        connection.dataReceived(b"}\n")
        self.settle()
        self.assertEqual([each["id"] for each in transport.lines()], [1, 2])
        self.assertEqual([each.path for each in self.handle.requests], ["/to/shop"])
        self.assertEqual([data for _, data in self.broker.sent if b"auth_token" in data], [])

    def test_at_once(self) -> None:
        """What a program sends before the circuit is open waits for that."""
        connection, transport = self.endpoint.connect()
        connection.dataReceived(b'{"to":"shop","auth')
        connection.dataReceived(b'_token":"t"}\n{"id":1}\n')
        connection.dataReceived(b'{"id":2}\n')
        self.settle(0.05)
        self.assertEqual([each["id"] for each in transport.lines()], [1, 2])

    def test_refused(self) -> None:
        """A program without the token learns nothing of the cluster."""
        sent = len(self.broker.sent)
        _, transport = self.connect(b'{"to":"shop"}\n')
        self.assertEqual([each["code"] for each in transport.lines()], [401])
        self.assertEqual((transport.closed, len(self.broker.sent)), ("lose", sent))

    def test_no_host(self) -> None:
        """A service that no host has is 503, with the reason."""
        _, transport = self.connect(b'{"to":"nope","auth_token":"t"}\n')
        [reply] = transport.lines()
        self.assertEqual((reply["code"], transport.closed), (503, "lose"))
        self.assertIn("no host has the service", reply["detail"])

    def test_own_messages(self) -> None:
        """Any other first line is a message to the service itself."""
        connection, transport = self.connect(b'{"id":1,"path":"/to/x","auth_token":"t"}\n')
        connection.dataReceived(b'{"id":2,"path":"/to/x","auth_token":"t"}\n')
        self.assertEqual([each["id"] for each in transport.lines()], [1, 2])
        self.assertEqual(self.one.node.circuits, 0)

    def test_disconnected(self) -> None:
        """The end of either side is that of the other one."""
        connection, transport = self.connect()
        self.assertEqual((self.relay.connections(), self.other.node.circuits), (1, 1))
        connection.connectionLost()
        self.settle()
        self.assertEqual((self.relay.connections(), self.other.node.circuits), (0, 0))
        connection, transport = self.connect()
        self.broker.kill()
        self.assertEqual((transport.closed, self.relay.connections()), ("lose", 0))

    def test_drain(self) -> None:
        """A program is asked to connect again, but not in the middle of a message."""
        connection, transport = self.connect()
        connection.dataReceived(b'{"id":1,"path":"/wait","data":{"n":1}}\n')
        self.settle()
        drained = Deferred.fromCoroutine(self.relay.drain(True))
        self.assertEqual(transport.lines(), [{"goaway": True}])
        self.reply_to()
        self.settle()
        self.assertEqual([each["id"] for each in transport.lines()], [1])
        self.assertNoResult(drained)
        connection.connectionLost()
        self.successResultOf(drained)

    def test_back(self) -> None:
        """When the service runs on this host again, its programs are asked to connect again."""
        _, transport = self.connect()
        self.settle(2)
        self.assertEqual(transport.lines(), [])
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.join(self.folder, "service_shop.sock"))
            listening.listen()
            self.settle(2)
        self.assertEqual(transport.lines(), [{"goaway": True}])

    def test_slow_reader(self) -> None:
        """A program that does not read stops the other host from sending, and no other program."""
        _, transport = self.connect()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        [far] = self.circuits_of_one()
        self.assertIsNotNone(far.circuit._held)
        transport.producer.resumeProducing()
        self.settle()
        self.assertIsNone(far.circuit._held)

    def circuits_of_one(self) -> list[CircuitTransport]:
        """The circuits of the first host."""
        link = self.one.node._link
        return [] if link is None else link.circuits


class ClientTests(RelayCase):
    def test_first_line(self) -> None:
        """A client finds the service in the directory of sockets, and names the one that it calls."""
        location = ServiceLocation(self.folder, Credentials("t"))
        self.assertIsNone(connect_through_relay(location, "t", "shop"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.join(self.folder, "service_nats.sock"))
            listening.listen()
            for token, line in (("t", b'{"to":"shop","auth_token":"t"}\n'), (None, b'{"to":"shop"}\n')):
                with self.connected(location, token), listening.accept()[0] as accepted:
                    self.assertEqual(accepted.recv(100), line)
            for service in ("nats", "orchestrator"):
                self.assertIsNone(connect_through_relay(location, "t", service))

    def connected(self, location: ServiceLocation, token: str | None) -> socket.socket:
        """Connect a client."""
        found = connect_through_relay(location, token, "shop")
        assert found is not None
        return found
