"""WebSockets over a connection of the wire protocol, message by message."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.websocket.actions import Sockets, make_app
from unixsvc.domain.json import Json
from unixsvc.testing import MemoryHandler

HANDLER = "unixsvc.server.handler:SocketRequestHandler"


class WireTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Connect to a service."""
        self.sockets = Sockets()
        self.handler = MemoryHandler(make_app(self.sockets), HANDLER)
        self.successResultOf(self.handler.listen(probe=False))
        self.protocol, self.transport = self.handler.connect()
        self.addCleanup(self.disconnect)
        self.send(id=0, path="/-/ping", auth_token=self.handler.token)

    def disconnect(self) -> None:
        """Disconnect."""
        if not self.transport.disconnected:
            self.transport.disconnected = True
            self.protocol.connectionLost(Failure(ConnectionDone()))

    def send(self, **message: Any) -> list[Json]:
        """Send a message; return what is received."""
        self.protocol.dataReceived(msgspec.json.encode(message) + b"\n")
        self.handler.clock.advance(0)
        return self.transport.lines()

    def open(self, path: str, credit: int = 10, **message: Any) -> list[Json]:
        """Open a WebSocket; return what the service sends."""
        return self.send(id=1, method="WEBSOCKET", path=path, credit=credit, **message)

    def items(self, received: list[Json]) -> list[Json]:
        """The items in what was received, all of the WebSocket."""
        self.assertEqual({(each["id"], each.get("more")) for each in received} - {(1, True)}, set())
        return [each["data"] for each in received]

    def test_exchange(self) -> None:
        """The service accepts and gives credit; messages follow; the envelope comes after the close."""
        self.assertEqual(self.items(self.open("/text")), [{"accept": {}}, {"credit": 16}])
        self.assertEqual(self.items(self.send(id=1, item={"text": "a"})), [{"text": "A"}])
        self.assertEqual(
            self.send(id=1, item={"close": {"code": 1000}}), [{"id": 1, "code": 200, "data": None}]
        )

    def test_close(self) -> None:
        """An action that closes tells the client so, and then that it has ended."""
        self.open("/close")
        item, end = self.send(id=1, item={"text": "4001"})
        self.assertEqual(item["data"], {"close": {"code": 4001, "reason": "bye"}})
        self.assertEqual(end, {"id": 1, "code": 200, "data": None})
        self.assertEqual(self.send(id=1, item={"text": "late"}), [])

    def test_subprotocols(self) -> None:
        """The client offers subprotocols in meta."""
        accepted = self.items(self.open("/choose", meta={"sec-websocket-protocol": "v1, v2"})[:1])
        self.assertEqual(accepted[0]["accept"]["subprotocol"], "v2")

    def test_refused(self) -> None:
        """An error before the handshake is accepted is an ordinary one, as for a client without credit."""
        for path, code in (("/refuse", 409), ("/nowhere", 404), ("/number/77", 422), ("/plain", 405)):
            [reply] = self.open(path)
            self.assertEqual((reply["status"], reply["code"]), ("error", code))
        [reply] = self.send(id=1, method="WEBSOCKET", path="/text")
        self.assertEqual(reply["code"], 426)

    def test_client_credit(self) -> None:
        """The service sends no more messages than the client has allowed."""
        self.open("/text", credit=1)
        first = self.send(id=1, item={"text": "a"}) + self.send(id=1, item={"text": "b"})
        self.assertEqual(self.items(first), [{"text": "A"}])
        self.assertEqual(self.items(self.send(id=1, credit=1)), [{"text": "B"}])

    def test_service_credit(self) -> None:
        """The client gets credit when the action takes messages; more messages than it has are 400."""
        self.open("/hold")
        for _ in range(16):
            self.assertEqual(self.send(id=1, item={"text": "a"}), [])
        [reply] = self.send(id=1, item={"text": "too many"})
        self.assertEqual((reply["code"], reply["detail"][0]["field"]), (400, "item"))
        self.open("/text")
        received = [self.items(self.send(id=1, item={"text": "a"})) for _ in range(8)]
        self.assertIn({"credit": 8}, received[-1])

    def test_invalid(self) -> None:
        """An item that is not valid cancels the action, and is 400."""
        self.open("/hold")
        [reply] = self.send(id=1, item={"text": 7})
        self.assertEqual((reply["code"], self.sockets.events), (400, []))

    def test_cancel(self) -> None:
        """Cancelling the request cancels the action, and so does a lost connection."""
        self.open("/echo/a")
        [reply] = self.send(id=1, cancel=True)
        self.assertEqual((reply["code"], self.sockets.events), (499, ["cancelled"]))
        self.open("/echo/a")
        self.disconnect()
        self.assertEqual(self.sockets.events, ["cancelled", "cancelled"])

    def test_slow_client(self) -> None:
        """While the client does not read, sending waits."""
        self.open("/hold")
        self.protocol.pauseProducing()
        self.assertFalse(self.sockets.sockets[0].try_send("a"))
        self.protocol.resumeProducing()
        self.assertTrue(self.sockets.sockets[0].try_send("b"))
        self.assertEqual(self.items(self.transport.lines()), [{"text": "b"}])

    def test_drain(self) -> None:
        """A drain sends goaway, and closes with 1012."""
        self.open("/echo/a")
        self.handler.drain()
        self.handler.clock.pump([0.1] * 5)
        received = self.transport.lines()
        self.assertIn({"goaway": True}, received)
        self.assertIn(
            {"close": {"code": 1012, "reason": "service restart"}}, [each.get("data") for each in received]
        )
        self.assertEqual(self.sockets.events, [1012])
