"""The client's side of the protocol: encoded requests, and the events of received bytes."""

from __future__ import annotations

import json
import time
from typing import Any

from msgspec import UNSET, Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connection import Call, ClientConnection
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.events import ErrorReceived, ItemReceived, ResponseReceived
from unixsvc.errors import BadGateway, Cancelled, NotFound, TooLarge, Unauthorized, Unavailable
from unixsvc.wire.messages import decode_client_message, encode_cancel, encode_credit

ITEM = Call("GET", "/item/7")


class ConnectionTestCase(SynchronousTestCase):
    """Has a connection."""

    def setUp(self) -> None:
        """Make it."""
        self.connection = ClientConnection(Credentials("secret"))

    def request(self, call: Call = ITEM, **options: Any) -> Any:
        """Send a request; the message, decoded."""
        number, sent = self.connection.request(call, **options)
        self.assertEqual((sent.count(b"\n"), sent[-1:]), (1, b"\n"))
        message = json.loads(sent)
        self.assertEqual(message["id"], number)
        return message


class RequestTests(ConnectionTestCase):
    """Encoded messages."""

    def test_request(self) -> None:
        """A request has the fields of the call, the timeout and the token; default values are left out."""
        call = Call("POST", "/item", Raw(b'{"name":"Pen"}'), {"request_id": "r"})
        expected = {"id": 1, "method": "POST", "path": "/item", "data": {"name": "Pen"}, "timeout": 1.5}
        self.assertEqual(
            self.request(call, timeout=1.5), expected | {"meta": {"request_id": "r"}, "auth_token": "secret"}
        )
        self.assertEqual(self.request(), {"id": 2, "path": "/item/7", "auth_token": "secret"})

    def test_token(self) -> None:
        """The token is sent until the first result; an error does not prove that it was accepted."""
        self.request()
        self.connection.receive(b'{"id":1,"status":"error","code":401,"message":"","detail":null}\n')
        self.assertIn("auth_token", self.request())
        self.connection.receive(b'{"id":2,"code":200,"data":1}\n')
        self.assertNotIn("auth_token", self.request())

    def test_cancel(self) -> None:
        """A cancelled call stays pending until its reply."""
        self.request()
        sent = encode_cancel(1)
        self.assertEqual((json.loads(sent), sent[-1:]), ({"id": 1, "cancel": True}, b"\n"))
        self.assertEqual(len(self.connection.pending), 1)
        (event,) = self.connection.receive(b'{"id":1,"status":"error","code":499}\n')
        self.assertIsInstance(event, ErrorReceived)
        self.assertIsInstance(getattr(event, "error", None), Cancelled)
        self.assertEqual(len(self.connection.pending), 0)

    def test_credit(self) -> None:
        """The service can distinguish a request for a stream from credit for one."""
        _, message = self.connection.request(Call("GET", "/"), None, 64)
        request = decode_client_message(message)
        self.assertEqual((request.credit, request.path), (64, "/"))
        granted = encode_credit(1, 32)
        self.assertEqual(json.loads(granted), {"id": 1, "credit": 32})
        self.assertIs(decode_client_message(granted).path, UNSET)
        self.assertEqual(granted[-1:], b"\n")


class ReceiveTests(ConnectionTestCase):
    """Received bytes."""

    def assertInvalid(self, data: bytes) -> None:
        """The bytes are not valid in the protocol."""
        connection = ClientConnection(Credentials(None))
        connection.request(ITEM)
        with self.assertRaises(BadGateway):
            connection.receive(data)

    def test_replies(self) -> None:
        """Replies and items in any order belong to their calls."""
        for _ in range(3):
            self.request()
        events = self.connection.receive(
            b'{"id":3,"code":200,"data":{"a":[1]}}\n{"id":1,"more":true,"data":5}\n'
            b'{"id":2,"status":"error","code":404,"message":"Not found","detail":"no"}\n'
        )
        self.assertEqual(
            (events[0], events[1]), (ResponseReceived(3, Raw(b'{"a":[1]}')), ItemReceived(1, Raw(b"5")))
        )
        failed = events[2]
        assert isinstance(failed, ErrorReceived)
        self.assertEqual((failed.id, type(failed.error), failed.error.detail), (2, NotFound, "no"))
        self.assertEqual(list(self.connection.pending), [1])
        self.assertEqual(
            self.connection.receive(b'{"id":1,"code":200}\n'), [ResponseReceived(1, Raw(b"null"))]
        )

    def test_no_stream(self) -> None:
        """A result instead of a stream is an error of that call; ``null`` is an empty stream."""
        for credit, either in ((64, False), (64, False), (64, True), (None, False)):
            self.request(credit=credit, either=either)
        failed, *events = self.connection.receive(
            b'{"id":1,"code":200,"data":[7]}\n{"id":2,"code":200,"data":null}\n'
            b'{"id":3,"code":200,"data":[7]}\n{"id":4,"code":200,"data":[7]}\n'
        )
        assert isinstance(failed, ErrorReceived)
        self.assertEqual((failed.id, type(failed.error)), (1, BadGateway))
        self.assertIn("not a stream", failed.error.detail)
        self.assertEqual(
            events,
            [
                ResponseReceived(2, Raw(b"null")),
                ResponseReceived(3, Raw(b"[7]")),
                ResponseReceived(4, Raw(b"[7]")),
            ],
        )
        self.assertEqual(len(self.connection.pending), 0)
        self.assertNotIn("auth_token", self.request())

    def test_token_rejected(self) -> None:
        """If the token is rejected, the error says where it was found; other errors are not changed."""
        connection = ClientConnection(Credentials("secret", "it was found there"))
        details = ["auth_token is wrong", "who are you?", None]
        errors = []
        for number, detail in enumerate(details, 1):
            connection.request(ITEM)
            line = {"id": number, "status": "error", "code": 401, "message": "Unauthorized", "detail": detail}
            (event,) = connection.receive(json.dumps(line).encode() + b"\n")
            errors.append(getattr(event, "error", None))
        self.assertEqual([type(each) for each in errors], [Unauthorized] * 3)
        details = ["auth_token is wrong; it was found there", *details[1:]]
        self.assertEqual([getattr(each, "detail", "") for each in errors], details)

    def test_pieces(self) -> None:
        """The events do not depend on how the bytes are split."""
        data = b'\n{"id":1,"code":200,"data":"\xc3\xa9"}\n{"goaway":true}\n{"id":2,"code":200,"data":2}\n'
        expected = [ResponseReceived(1, Raw(b'"\xc3\xa9"')), ResponseReceived(2, Raw(b"2"))]
        for size in (1, 2, 3, 7, 1000):
            connection, events = ClientConnection(Credentials(None)), list[Any]()
            connection.request(ITEM)
            connection.request(ITEM)
            for start in range(0, len(data), size):
                events += connection.receive(data[start : start + size])
            self.assertEqual(events, expected, size)

    def test_goaway(self) -> None:
        """After goaway the connection is leaving, and pending calls stay pending."""
        self.request()
        self.assertFalse(self.connection.leaving)
        self.assertEqual(self.connection.receive(b'{"goaway":true}\n'), [])
        self.assertEqual((self.connection.leaving, len(self.connection.pending)), (True, 1))

    def test_connection_error(self) -> None:
        """An error without an id is an error of the connection."""
        self.request()
        for code, kind in ((413, TooLarge), (503, Unavailable)):
            with self.assertRaises(kind):
                self.connection.receive(b'{"status":"error","code":%d,"message":"","detail":null}\n' % code)

    def test_too_large(self) -> None:
        """If a message is too large, only its call fails; the connection accepts no further requests."""
        self.request()
        self.request(Call("POST", "/item", Raw(b'"' + b"x" * 200 + b'"')))
        self.request()
        rejection = b'{"status":"error","code":413,"detail":{"max_message_bytes":200}}\n'
        (event,) = self.connection.receive(rejection)
        assert isinstance(event, ErrorReceived)
        self.assertEqual((event.id, type(event.error)), (2, TooLarge))
        self.assertEqual((list(self.connection.pending), self.connection.leaving), ([1, 3], True))
        self.assertRaises(TooLarge, self.connection.receive, rejection)

    def test_invalid(self) -> None:
        """Bytes that are not valid in the protocol are an error."""
        for data in (
            b"nonsense\n", b"[]\n", b"7\n", b'{"id":1,"code":"x"}\n', b'{"id":1,"data":"\xff"}\n',
            b'{"id":7,"code":200,"data":1}\n', b'{"id":"1","code":200,"data":1}\n', b'{"code":200}\n',
            b'{"id":1,"data":' + b"[" * 100_000 + b"\n",
        ):  # fmt: skip
            self.assertInvalid(data)

    def test_twice(self) -> None:
        """A second reply to a call is not valid."""
        self.assertInvalid(b'{"id":1,"code":200,"data":1}\n' * 2)

    def test_long(self) -> None:
        """A reply in very many pieces takes linear time."""
        piece = b"x" * 1000
        self.request()
        started = time.process_time()
        self.connection.receive(b'{"id":1,"code":200,"data":"')
        for _ in range(40_000):
            self.connection.receive(piece)
        (event,) = self.connection.receive(b'"}\n')
        self.assertEqual(len(getattr(event, "data", b"")), 40_000_002)
        self.assertLess(time.process_time() - started, 3.0)
