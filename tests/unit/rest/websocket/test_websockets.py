from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.websocket.actions import Line, Sockets, make_app
from unixsvc.config.http import Cors, Http, WebSockets
from unixsvc.domain.websocket import Close, WebSocketClosed
from unixsvc.testing import MemoryHttp, MemoryWebSocket


class WebSocketCase(SynchronousTestCase):
    """Tests over the real gateway, in memory."""

    def setUp(self) -> None:
        """Serve the actions."""
        self.sockets = Sockets()
        self.serve()

    def serve(self, http: Http | None = None, **options: Any) -> None:
        """Serve them with other settings."""
        self.http = MemoryHttp(make_app(self.sockets), http=http, **options)

    def open(self, path: str, *subprotocols: str, **headers: str) -> MemoryWebSocket:
        """Open a WebSocket."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.websocket(path, subprotocols=subprotocols, headers=names)

    def assert_refused(self, path: str, code: int, **headers: str) -> MemoryWebSocket:
        """The handshake gets an ordinary HTTP response, which is a problem with the code."""
        socket = self.open(path, **headers)
        self.assertFalse(socket.accepted)
        self.assertEqual(socket.response.status_code, code)
        self.assertEqual(socket.response.headers.get_content_type(), "application/problem+json")
        return socket


class MessagesTests(WebSocketCase):
    def test_typed(self) -> None:
        """JSON messages are decoded and checked; path variables and the query are arguments."""
        socket = self.open("/echo/a?mark=!")
        socket.send(Line("hi", 2))
        self.assertEqual(self.successResultOf(socket.receive(Line)), Line("a!: hi", 2))

    def test_invalid(self) -> None:
        """A message that is not valid closes with 1007, and the reason names the field."""
        for message, reason in (
            ('{"text": 7}', "text: Expected `str`, got `int`"),
            ('{"text": "a", "size": 1e999}', "size: Expected a finite number"),
            ("{", "message: is not JSON"),
        ):
            socket = self.open("/echo/a")
            socket.send(message)
            self.assertEqual(socket.closed, Close(1007, reason))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_caught(self) -> None:
        """An action may catch the error of a message, and go on."""
        socket = self.open("/lenient")
        socket.send('{"text": 7}')
        socket.send({"text": "ok"})
        self.assertEqual([*socket.messages], ["Expected `str`, got `int`", "ok"])

    def test_plain(self) -> None:
        """Text and binary messages are passed on as they are, or both."""
        for path, sent, expected in (
            ("/text", "a\n", "A\n"),
            ("/binary", b"\x00\xff", b"\xff\x00"),
            ("/both", "a", "a"),
            ("/both", b"a", b"a"),
        ):
            socket = self.open(path)
            socket.send(sent)
            self.assertEqual(self.successResultOf(socket.receive(str)), expected)

    def test_wrong_kind(self) -> None:
        """A binary message where text is expected closes with 1003, and the other way round."""
        for path, message, expected in (
            ("/text", b"a", "text"),
            ("/echo/a", b"{}", "text"),
            ("/binary", "a", "binary"),
        ):
            socket = self.open(path)
            socket.send(message)
            self.assertEqual(socket.closed, Close(1003, f"expected a {expected} message"))

    def test_receive_twice(self) -> None:
        """Only one coroutine may receive at a time."""
        self.open("/mute")
        with self.assertRaises(RuntimeError):
            self.sockets.sockets[0].receive().send(None)


class HandshakeTests(WebSocketCase):
    def test_subprotocol(self) -> None:
        """The action chooses one of the subprotocols that the client offers, and adds headers."""
        self.sockets.headers = (("Set-Cookie", "a=b"),)
        socket = self.open("/choose", "v1", "v2")
        self.assertEqual((socket.subprotocol, socket.messages[0]), ("v2", "v2"))
        headers = socket.response.headers
        self.assertEqual((headers["Set-Cookie"], headers["X-Room"]), ("a=b", "7"))
        self.assertIsNotNone(headers["X-Request-Id"])
        self.assertIsNone(self.open("/choose", "v1").subprotocol)

    def test_header_injection(self) -> None:
        """A header with a line end is a failure of the action, and no response has it."""
        for headers in ((("X-A", "b\r\nSet-Cookie: c=d"),), (("X\r\n", "b"),), (("Upgrade", "h2c"),)):
            self.sockets.headers = headers
            socket = self.assert_refused("/choose", 500)
            self.assertIsNone(socket.response.headers["Set-Cookie"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 3)

    def test_refused(self) -> None:
        """Errors before the first use are ordinary responses."""
        self.assertEqual(str(self.assert_refused("/refuse", 409).error), "409 Conflict: sold out")
        self.assert_refused("/nowhere", 404)
        self.assert_refused("/number/77", 422)
        self.assert_refused("/plain", 404)
        self.assert_refused("/echo/a", 426, Sec_WebSocket_Version="8")
        self.assert_refused("/echo/a", 400, Sec_WebSocket_Key="a")
        self.serve(token=None)
        self.assert_refused("/private/a", 401)

    def test_token(self) -> None:
        """A route that is not public needs a token, as any other."""
        self.assertTrue(self.open("/private/a").accepted)

    def test_without_upgrade(self) -> None:
        """A plain GET of a WebSocket is 426 and says what is needed; a path may have GET, too."""
        found = self.successResultOf(self.http.get("/echo/a"))
        self.assertEqual((found.status_code, found.headers["Upgrade"]), (426, "websocket"))
        self.assertIn("Upgrade", found.headers["Connection"])
        self.assertEqual(found.headers["Sec-WebSocket-Version"], "13")
        self.assertEqual(self.successResultOf(self.http.get("/both")).json(), "plain")
        self.assertEqual(
            self.successResultOf(self.http.post("/echo/a")).headers["Allow"], "GET, HEAD, OPTIONS"
        )
        self.assertEqual(self.successResultOf(self.http.request("WEBSOCKET", "/echo/a")).status_code, 426)

    def test_other_upgrade(self) -> None:
        """A request to upgrade to another protocol is answered as if it had not asked for it."""
        found = self.successResultOf(self.http.get("/plain", headers={"Upgrade": "h2c"}))
        self.assertEqual(found.json(), "plain")

    def test_origin(self) -> None:
        """Pages of other origins are refused (cross-site WebSocket hijacking), unless they are allowed."""
        self.assert_refused("/echo/a", 403, Origin="https://evil.example")
        self.assert_refused("/echo/a", 403, Origin="null")
        self.assert_refused("/echo/a", 403, Origin="http://localhost", Sec_Fetch_Site="cross-site")
        self.assertTrue(self.open("/echo/a", Origin="http://localhost").accepted)
        self.serve(Http(cors=Cors(origins=("https://shop.example",))))
        self.assertTrue(self.open("/echo/a", Origin="https://shop.example").accepted)
        self.assert_refused("/echo/a", 403, Origin="https://evil.example")

    def test_time_limit(self) -> None:
        """An action has the usual time to accept; an accepted WebSocket lasts for any time."""
        socket = self.open("/never")
        echo = self.open("/echo/a")
        self.http.clock.pump([5.0] * 7)
        self.assertEqual(socket.response.status_code, 504)
        echo.send(Line("hi"))
        self.assertEqual(len(echo.messages), 1)

    def test_accepted_later(self) -> None:
        """The same for an action that has waited before it accepted."""
        socket = self.open("/late")
        self.http.clock.advance(20)
        self.sockets.release.callback(None)
        self.http.clock.pump([5.0] * 7)
        socket.send("a")
        self.assertEqual([*socket.messages], ["A"])

    def test_disconnect(self) -> None:
        """A client that disconnects during the handshake cancels the action."""
        cancelled: list[object] = []
        self.sockets.release.addErrback(cancelled.append)
        self.open("/never").disconnect()
        self.assertEqual(len(cancelled), 1)

    def test_unused(self) -> None:
        """An action that returns without using the WebSocket accepts and closes it."""
        socket = self.open("/unused")
        self.assertEqual((socket.accepted, socket.closed), (True, Close(1000)))

    def test_number(self) -> None:
        """At most ``max_connections`` WebSockets are open; further handshakes are 503."""
        self.serve(Http(websocket=WebSockets(max_connections=1)))
        first = self.open("/echo/a")
        self.assert_refused("/echo/a", 503)
        first.close()
        self.assertTrue(self.open("/echo/a").accepted)


class CloseTests(WebSocketCase):
    def test_by_client(self) -> None:
        """When the client closes, the loop of the action ends, and sending raises."""
        socket = self.open("/mute")
        socket.close(1000, "done")
        self.assertEqual(self.sockets.events, [1000, 1000])
        self.assertEqual(socket.closed, Close(1000, "done"))
        self.assertTrue(self.sockets.sockets[0].closed)
        self.assertEqual(self.sockets.sockets[0].close_reason, "done")

    def test_messages_before_close(self) -> None:
        """Messages that a client has sent before it closed are received."""
        socket = self.open("/hold")
        socket.send("a")
        socket.send("b")
        socket.close()
        self.sockets.release.callback(None)
        self.assertEqual(self.sockets.events, ["a", "b"])

    def test_unnoticed(self) -> None:
        """An action that does not notice in 10 s that the client has closed is cancelled."""
        socket = self.open("/hold")
        socket.close()
        self.http.clock.pump([3.0] * 3)
        self.assertEqual(self.sockets.events, [])
        self.http.clock.advance(2)
        self.assertEqual(self.sockets.events, ["cancelled"])

    def test_lost(self) -> None:
        """A client that disconnects without a Close frame cancels the action."""
        for path in ("/echo/a", "/hold"):
            self.open(path).disconnect()
        self.assertEqual(self.sockets.events, ["cancelled", "cancelled"])

    def test_by_action(self) -> None:
        """The action closes with a code of its own; when it returns, with 1000."""
        socket = self.open("/close")
        socket.send("4001")
        self.assertEqual((socket.closed, self.sockets.events), (Close(4001, "bye"), [True]))
        self.assertEqual(self.open("/number/7").closed, Close(1000))
        with self.assertRaises(WebSocketClosed):
            socket.send("late")
        self.failureResultOf(socket.receive(), WebSocketClosed)

    def test_wrong_code(self) -> None:
        """Codes that no Close frame may have are a failure of the action."""
        for code in (0, 1005, 1006, 1015, 2000, 5000):
            socket = self.open("/close")
            socket.send(str(code))
            self.assertEqual(socket.closed, Close(1011, "Internal Server Error"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 6)

    def test_failure(self) -> None:
        """A failing action closes with 1011 without details, and logs; a ServiceError with 1008."""
        socket = self.open("/fail")
        socket.send("crash")
        self.assertEqual(socket.closed, Close(1011, "Internal Server Error"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        socket = self.open("/fail")
        socket.send("conflict")
        self.assertEqual(socket.closed, Close(1008, "sold out"))


class DrainTests(WebSocketCase):
    def test_restart(self) -> None:
        """A drain closes with 1012, so that clients connect again; the loops of the actions end."""
        socket = self.open("/echo/a")
        drained = self.http.close()
        self.assertEqual(socket.closed, Close(1012, "service restart"))
        self.assertEqual(self.sockets.events, [1012])
        self.successResultOf(drained)

    def test_handshake(self) -> None:
        """A drain waits for an action that has not accepted yet, and cancels it at its end."""
        socket = self.open("/never")
        self.http.close()
        self.assertEqual(socket.closed, Close(1006))
