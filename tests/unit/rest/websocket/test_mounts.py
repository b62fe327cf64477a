"""WebSockets of a service, through a gateway that mounts it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.websocket.actions import Line, Sockets, make_app
from unixsvc import App
from unixsvc.domain.websocket import Close
from unixsvc.testing import MemoryHttp, MemoryService, MemoryWebSocket


class MountTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Serve the actions in a service, and mount it."""
        self.sockets = Sockets()
        self.service = MemoryService(make_app(self.sockets))
        self.http = MemoryHttp(App([]), mounts={"/shop": "shop:/"}, services={"shop": self.service})
        self.addCleanup(self.http.close)

    def open(self, path: str, *subprotocols: str) -> MemoryWebSocket:
        """Open a WebSocket through the mount."""
        socket = self.http.websocket(f"/shop{path}", subprotocols=subprotocols)
        self.turn()
        return socket

    def turn(self) -> None:
        """Let what waits for a turn of the event loop go on."""
        for _ in range(5):
            self.http.clock.advance(0)
            self.service.clock.advance(0)

    def test_messages(self) -> None:
        """Messages pass in both directions, of each kind; path variables and the query arrive."""
        echo = self.open("/echo/a?mark=!")
        echo.send(Line("hi", 2))
        self.turn()
        self.assertEqual(self.successResultOf(echo.receive(Line)), Line("a!: hi", 2))
        both = self.open("/both")
        messages: tuple[str | bytes, ...] = ('é\n"', b"\x00\xff", "")
        for message in messages:
            both.send(message)
            self.turn()
            self.assertEqual(self.successResultOf(both.receive(str)), message)

    def test_handshake(self) -> None:
        """Errors of the service before it accepts are ordinary responses; subprotocols and headers pass."""
        self.sockets.headers = (("Set-Cookie", "a=b"),)
        chosen = self.open("/choose", "v1", "v2")
        self.assertEqual((chosen.subprotocol, chosen.messages[0]), ("v2", "v2"))
        self.assertEqual(chosen.response.headers["Set-Cookie"], "a=b")
        for path, code in (("/refuse", 409), ("/nowhere", 404), ("/number/77", 422), ("/plain", 404)):
            self.assertEqual(self.open(path).response.status_code, code, path)
        self.assertEqual(self.open("/unused").closed, Close(1000))

    def test_token(self) -> None:
        """A mounted WebSocket needs a token, as every mounted route."""
        http = MemoryHttp(App([]), mounts={"/shop": "shop:/"}, services={"shop": self.service}, token=None)
        self.assertEqual(http.websocket("/shop/text").response.status_code, 401)

    def test_closed_by_client(self) -> None:
        """A close of the client ends the loop of the action; a lost connection cancels it."""
        self.open("/mute").close(1000, "done")
        self.turn()
        self.assertEqual(self.sockets.events, [1000, 1000])
        self.open("/echo/a").disconnect()
        self.turn()
        self.assertEqual(self.sockets.events[2:], ["cancelled"])

    def test_closed_by_action(self) -> None:
        """The code of the action reaches the client; so does that of a failure, without its details."""
        for message, expected in (("4001", Close(4001, "bye")), ("1000", Close(1000, "bye"))):
            socket = self.open("/close")
            socket.send(message)
            self.turn()
            self.assertEqual(socket.closed, expected)
        failures: tuple[tuple[str, str | bytes, Close], ...] = (
            ("/fail", "conflict", Close(1008, "sold out")),
            ("/fail", "crash", Close(1011, "Internal Server Error")),
            ("/echo/a", '{"text": 7}', Close(1007, "text: Expected `str`, got `int`")),
            ("/text", b"a", Close(1003, "expected a text message")),
        )
        for path, sent, expected in failures:
            socket = self.open(path)
            socket.send(sent)
            self.turn()
            self.assertEqual(socket.closed, expected)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_slow_action(self) -> None:
        """While the action takes no messages, the gateway stops to read; nothing is lost."""
        socket = self.open("/hold")
        for number in range(150):
            socket.send(str(number))
        self.turn()
        self.assertFalse(socket.reading)
        self.sockets.release.callback(None)
        self.turn()
        self.assertEqual(self.sockets.events, [str(number) for number in range(150)])
        self.assertTrue(socket.reading)

    def test_slow_client(self) -> None:
        """While the client does not read, the action waits; then the messages come in their order."""
        socket = self.open("/hold")
        sender = self.sockets.sockets[0]
        socket.pause()
        sent = [sender.try_send(str(number)) for number in range(200)]
        self.turn()
        self.assertIn(False, sent)
        self.assertEqual(len(socket.messages), 0)
        socket.pause(False)
        self.turn()
        self.assertEqual([*socket.messages], [str(number) for number in range(sent.index(False))])
        self.assertTrue(sender.try_send("again"))

    def test_drain(self) -> None:
        """A service that drains closes with 1012, which reaches the client of the gateway."""
        socket = self.open("/echo/a")
        self.service.close()
        self.turn()
        self.assertEqual((socket.closed, self.sockets.events), (Close(1012, "service restart"), [1012]))
