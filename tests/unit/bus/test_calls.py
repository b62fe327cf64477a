"""Calls from one host to another, over servers in memory."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.bus.broker import Broker
from tests.unit.support.memory_connection import Actions
from unixsvc.bus.clock import LinkClock
from unixsvc.bus.export import accept_circuit
from unixsvc.bus.link import NotOpened
from unixsvc.bus.micro import Subscription
from unixsvc.bus.node import Node
from unixsvc.bus.remote import RemoteServices
from unixsvc.bus.subjects import Subjects
from unixsvc.client.twisted.client import Client
from unixsvc.config.settings import Limits, Security
from unixsvc.errors import ServiceError, Unavailable
from unixsvc.server.context import HandlerContext
from unixsvc.server.handler import SocketRequestHandler
from unixsvc.server.interfaces import IServesCircuits
from unixsvc.testing import MemoryEndpoint

NOWHERE: Final[dict[str, Any]] = {"socket_dir": "/nonexistent", "token": "t"}


class Reactor(Clock):
    """A clock that ignores changes in the directory of sockets."""

    def addReader(self, reader: object) -> None:
        """Ignore it."""

    removeReader = addReader


class Host:
    """One host of the cluster: a process that calls services and may serve one.

    :ivar actions: the use case of its service.
    """

    def __init__(self, name: str, broker: Broker, clock: Reactor) -> None:
        self.times = times = LinkClock(clock.seconds, clock.callLater, lambda call: clock.callLater(0, call))
        self.node = Node(broker.connect, Subjects("test", name), "1", times, 0.5)
        self.others = RemoteServices(self.node, times)
        self.actions = Actions()
        self._clock = clock

    def serve(self, service: str = "shop") -> None:
        """Let the others call its service."""
        limits, security = Limits(), Security(token="required")
        context = HandlerContext(service, self.actions, MemoryEndpoint(), limits, security, self._clock)
        self.handler = SocketRequestHandler(context)
        self.service = service
        self.serve_also([])

    def serve_also(self, others: list[Subscription]) -> None:
        """Serve what else a service subscribes to."""
        self.node.withdraw(self.service)
        self.node.serve(
            self.service, lambda transport: accept_circuit(self.node, self.handler, transport), others
        )


class ClusterCase(SynchronousTestCase):
    """Has two hosts, of which the second one serves, and a client on the first one."""

    def setUp(self) -> None:
        """Make them."""
        self.clock, self.broker = Reactor(), Broker()
        self.one, self.other = (self.host(name) for name in ("one", "other"))
        self.other.serve()
        self.client = Client("shop", reactor=self.clock, other_hosts=self.one.others, **NOWHERE)
        self.settle()

    def host(self, name: str) -> Host:
        """Add a host."""
        host = Host(name, self.broker, self.clock)
        host.node.start()
        return host

    def settle(self, seconds: float = 0.01) -> None:
        """Deliver messages, and let time pass."""
        for _ in range(round(seconds / 0.01) * 2):
            self.broker.deliver()
            self.clock.advance(0.005)
            self.broker.deliver()

    def call(
        self, path: str = "/now", method: str = "GET", key: str | None = None, **data: Any
    ) -> Deferred[Any]:
        """Make a call."""
        result = self.client.call(method, path, data, timeout=5.0, idempotency_key=key)
        self.addCleanup(lambda: result.addErrback(lambda _: None))  # not all tests look at it
        return result

    def reply_to(self, number: int = 1, host: Host | None = None) -> None:
        """Let the action answer that waits."""
        (host or self.other).actions.waiting.pop(number).callback("done")


class CallTests(ClusterCase):
    def test_interface(self) -> None:
        """The handler of sockets serves circuits."""
        verifyObject(IServesCircuits, self.other.handler)

    def test_call(self) -> None:
        """A call finds the service on the other host."""
        result = self.call(n=7)
        self.settle()
        self.assertEqual(self.successResultOf(result), {"n": 7})

    def test_caller(self) -> None:
        """Its caller is trusted as the host that it is, and no token of a host is sent to another."""
        self.call()
        self.settle()
        [request] = self.other.actions.requests
        self.assertTrue(request.caller.trusted)
        self.assertEqual(request.caller.identity, "token:host:one")
        self.assertEqual([data for _, data in self.broker.sent if b"auth_token" in data], [])

    def test_one_message(self) -> None:
        """Calls that are made in one turn are one message, and so are their replies."""
        self.client = Client(
            "shop", reactor=self.clock, other_hosts=self.one.others, connections=1, **NOWHERE
        )
        self.call()
        self.settle()
        self.broker.sent.clear()
        results = [self.call(n=n) for n in range(3)]
        self.settle()
        self.assertEqual([self.successResultOf(each) for each in results], [{"n": n} for n in range(3)])
        self.assertEqual(len(self.broker.sent), 2)

    def test_deadline(self) -> None:
        """The time that a caller has left is known there, and the action is cancelled at its end."""
        result = self.client.call("GET", "/wait", {"n": 1}, timeout=1.0)
        self.settle(2)
        self.assertEqual(self.failureResultOf(result, ServiceError).value.code, 504)
        [request] = self.other.actions.requests
        assert request.timeout is not None
        self.assertTrue(0.9 < request.timeout <= 1.0)
        self.assertEqual(self.other.actions.stopped, [499])

    def test_no_host(self) -> None:
        """A service that no host has is 503 after a while, with a message that says so."""
        self.other.node.withdraw("shop")
        self.settle()
        result = self.call()
        self.settle(3)
        error = self.failureResultOf(result, Unavailable).value
        self.assertIn("shop: does not run here, and no host has the service", str(error))

    def test_comes_later(self) -> None:
        """A service that appears while a call waits answers it."""
        self.other.node.withdraw("shop")
        self.settle()
        result = self.call(n=1)
        self.settle(0.1)
        self.other.serve()
        self.settle(1)
        self.assertEqual(self.successResultOf(result), {"n": 1})

    def test_silent_host(self) -> None:
        """A request to open a circuit that is lost is repeated, also for a call that must not run twice."""
        lost: list[str] = []

        def drop(subject: str, data: bytes) -> bool:
            if ".open." in subject and len(lost) < 2:
                lost.append(subject)
                return True
            return False

        self.broker.drop = drop
        result = self.call(method="POST", n=1)
        self.settle(1)
        self.assertEqual((self.successResultOf(result), len(lost)), ({"n": 1}, 2))

    def test_late_answer(self) -> None:
        """A circuit that is opened after its time is ended on both sides."""
        self.broker.hold = lambda subject, data: subject.startswith("test.pipe.one") and data[:1] == b"\x01"
        result = self.call(n=1)
        self.settle(0.26)
        self.assertEqual(self.other.node.circuits, 2)
        self.broker.release()
        self.settle(0.5)
        self.assertEqual(self.successResultOf(result), {"n": 1})
        self.assertEqual((self.one.node.circuits, self.other.node.circuits), (1, 1))


class NameTests(ClusterCase):
    def test_names(self) -> None:
        """A name that is none of a service or a host is not sent to the server."""
        for service, host in (
            ("shop x\r\nPUB y 0\r\n", ""),
            ("*", ""),
            ("a.b", ""),
            ("", ""),
            ("shop", "a b"),
            ("shop", ">"),
        ):
            error = self.assertRaises(NotOpened, self.one.node.open, service, host)
            self.assertTrue(error.absent)


class ForeignTests(ClusterCase):
    """A host of the cluster that pretends to be another one, or sends other data."""

    def ask(self, pipe: str, host: str) -> list[str]:
        """Request a circuit; the subjects of the messages that follow."""
        connection = self.broker.connections[0]
        self.broker.sent.clear()
        data = msgspec.json.encode({"pipe": pipe, "host": host})
        self.broker.publish("test.open.shop", data, "", connection)
        self.broker.deliver()
        return [subject for subject, _ in self.broker.sent[1:]]

    def test_own_name(self) -> None:
        """A request with a pipe of its own host is answered there."""
        self.assertEqual(self.ask("test.pipe.one.9-1.4", "one"), ["test.pipe.one.9-1.4"])

    def test_other_names(self) -> None:
        """One with a pipe of another host, or with a text that is no subject, is ignored."""
        for pipe, host in (
            ("test.pipe.one.9-1.4", "other"),
            ("test.pipe.one.9-1.4", "one.9-1"),
            ("test.pipe.*.9-1.4", "*"),
            ("test.pipe.one.9-1", "one"),
            ("test.pipe.one.9-1.4 x\r\nPUB y 0\r\n", "one"),
            ("test.pipe.one\r\n.9-1.4", "one\r\n"),
            ("other.pipe.one.9-1.4", "one"),
            ("test.open.shop", "one"),
            ("", ""),
        ):
            self.assertEqual(self.ask(pipe, host), [], (pipe, host))

    def test_no_request(self) -> None:
        """Anything else is ignored too."""
        for data in (b"", b"{}", b"\xff", b'{"pipe":1,"host":2}', b"[" * 10_000):
            self.broker.publish("test.open.shop", data, "", self.broker.connections[0])
            self.broker.deliver()
        self.assertEqual(self.other.node.circuits, 0)


class LossTests(ClusterCase):
    """What becomes of calls when a host or a server fails."""

    def setUp(self) -> None:
        """A call is pending."""
        super().setUp()
        self.result = self.call("/wait", n=1)
        self.settle()
        self.assertEqual(list(self.other.actions.waiting), [1])

    def test_server_killed(self) -> None:
        """A repeatable call is made again on another connection, as soon as there is one."""
        self.broker.kill()
        self.assertEqual(self.other.actions.stopped, [499])
        self.settle(0.1)
        self.reply_to()
        self.settle()
        self.assertEqual(self.successResultOf(self.result), "done")

    def test_server_stopped(self) -> None:
        """A server that is silent counts as dead after a second."""
        self.broker.stopped = True
        self.settle(1.6)
        self.assertEqual((self.one.node.connected, self.other.node.connected), (False, False))
        self.broker.stopped = False
        self.settle(3)
        self.reply_to()
        self.settle()
        self.assertEqual(self.successResultOf(self.result), "done")

    def test_host_cut_off(self) -> None:
        """A silent host that owes a reply counts as dead after a second; another one takes the call."""
        third = self.host("third")
        self.broker.drop = lambda subject, data: ".other." in subject
        third.serve()
        self.settle(1.4)
        self.settle(0.5)
        self.assertEqual(list(third.actions.waiting), [1])
        self.reply_to(host=third)
        self.settle()
        self.assertEqual(self.successResultOf(self.result), "done")

    def test_host_gone(self) -> None:
        """The server reports the end of a host in reply to the first ping."""
        self.broker.connections[1].close()
        self.settle(0.7)
        self.assertEqual(self.one.node.circuits, 0)

    def test_not_repeatable(self) -> None:
        """A call that may have run, and must not run twice, fails."""
        result = self.call("/wait", "POST", n=2)
        self.settle()
        self.broker.kill()
        self.settle(0.5)
        self.assertIn("the action may have run", str(self.failureResultOf(result, Unavailable).value))

    def test_keyed(self) -> None:
        """A call with a key is repeated on the host that may have run it, and on no other one."""
        result = self.call("/wait", "POST", key="k", n=3)
        self.settle()
        third = self.host("third")
        third.serve()
        self.settle()
        self.broker.kill()
        self.settle(1)
        keys = [
            [each.meta["idempotency_key"] for each in host.actions.requests if each.method == "POST"]
            for host in (self.other, third)
        ]
        self.assertEqual(keys, [["k", "k"], []])
        self.reply_to(3)
        self.settle()
        self.assertEqual(self.successResultOf(result), "done")

    def test_keyed_host_stays_away(self) -> None:
        """If that host does not come back before the deadline, the error names it."""
        result = self.call("/wait", "POST", key="k", n=3)
        self.settle()
        self.host("third").serve()
        self.broker.connections[1].close()
        self.settle(6)
        self.assertIn("shop on other", str(self.failureResultOf(result, Unavailable).value))

    def test_client_gone(self) -> None:
        """An action is cancelled when its caller's host has disconnected."""
        self.broker.connections[0].close()
        self.settle(0.7)
        self.assertEqual(self.other.actions.stopped, [499])


class DrainTests(ClusterCase):
    """Workers and servers that leave lose nothing."""

    def test_withdrawn(self) -> None:
        """A worker that drains takes no new circuit; pending calls end, and the next ones go elsewhere."""
        result = self.call("/wait", n=1)
        self.settle()
        third = self.host("third")
        third.serve()
        self.settle()
        withdrawn = self.other.node.withdraw("shop")
        self.settle()
        self.successResultOf(withdrawn)
        drained = Deferred.fromCoroutine(self.other.handler.drain(True))
        self.settle()
        second = self.call(n=2)
        self.settle()
        self.assertEqual(self.successResultOf(second), {"n": 2})
        self.assertEqual(len(third.actions.requests), 1)
        self.assertNoResult(drained)
        self.reply_to()
        self.settle()
        self.assertEqual(self.successResultOf(result), "done")
        self.successResultOf(drained)

    def test_lame_duck(self) -> None:
        """Before a server leaves, another connection is made; what runs on the first one comes to its end."""
        result = self.call("/wait", n=1)
        self.settle()
        old = list(self.broker.connections)
        for each in old:
            each.events.server_leaves()
        self.settle(0.1)
        self.assertEqual(len(self.broker.connections), 4)
        second = self.call(n=2)
        self.settle()
        self.assertEqual(self.successResultOf(second), {"n": 2})
        self.reply_to()
        self.settle(1.5)
        self.assertEqual(self.successResultOf(result), "done")
        self.assertEqual([each.ended for each in old], [True, True])
        self.assertEqual(len(self.other.actions.requests), 2)


class NodeTests(ClusterCase):
    """The connection of a process."""

    def test_down_at_first(self) -> None:
        """Without a server it tries again and again, and says why."""
        self.broker.down = True
        host = self.host("late")
        tried = host.node.when_tried()
        self.settle(1)
        self.assertEqual(host.node.problem, "connection refused")
        self.broker.down = False
        self.settle(3)
        self.assertTrue(host.node.connected)
        self.successResultOf(tried)

    def test_refused(self) -> None:
        """Of the subjects that a server does not permit, one is reported for each connection."""
        events = self.broker.connections[0].events
        for subject in ("a", "b"):
            events.refused(f"permissions violation for {subject}")
        self.assertEqual(self.one.node.problem, "permissions violation for a")
        self.broker.kill()
        self.settle(0.2)
        self.assertEqual(self.one.node.problem, "")

    def test_stop(self) -> None:
        """A process that stops leaves nothing behind."""
        result = self.call("/wait", n=1)
        self.settle()
        for host in (self.one, self.other):
            host.node.stop()
        self.assertEqual((self.broker.connections, self.one.node.circuits), ([], 0))
        self.client.close()
        self.settle(3)
        self.assertEqual(self.broker.connections, [])
        self.failureResultOf(result, Unavailable)
