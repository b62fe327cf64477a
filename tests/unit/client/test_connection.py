"""The client's side of one connection: what it sends, and what it makes of what comes."""

from __future__ import annotations

import json
import time
from typing import Any

from msgspec import UNSET, Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connection import (
    Call,
    ClientConnection,
    ErrorReceived,
    ItemReceived,
    ResponseReceived,
)
from unixsvc.client.location import Credentials
from unixsvc.errors import BadGateway, Cancelled, NotFound, TooLarge, Unauthorized, Unavailable
from unixsvc.wire.messages import decode_client_message, encode_cancel, encode_credit

ITEM = Call("GET", "/item/7")


class ConnectionTestCase(SynchronousTestCase):
    """Has a connection."""

    def setUp(self) -> None:
        """Begin it."""
        self.connection = ClientConnection(Credentials("secret"))

    def ask(self, call: Call = ITEM, **options: Any) -> Any:
        """Ask; what is sent, decoded."""
        number, sent = self.connection.request(call, **options)
        self.assertEqual((sent.count(b"\n"), sent[-1:]), (1, b"\n"))
        message = json.loads(sent)
        self.assertEqual(message["id"], number)
        return message


class AskingTests(ConnectionTestCase):
    """What is sent."""

    def test_ask(self) -> None:
        """All that the call says, what is left of the time, and the token; nothing that need not be said."""
        call = Call("POST", "/item", Raw(b'{"name":"Pen"}'), {"request_id": "r"})
        expected = {"id": 1, "method": "POST", "path": "/item", "data": {"name": "Pen"}, "timeout": 1.5}
        self.assertEqual(
            self.ask(call, timeout=1.5), expected | {"meta": {"request_id": "r"}, "auth_token": "secret"}
        )
        self.assertEqual(self.ask(), {"id": 2, "path": "/item/7", "auth_token": "secret"})

    def test_token(self) -> None:
        """The token is shown until it was accepted; a failure does not show that it was."""
        self.ask()
        self.connection.receive(b'{"id":1,"status":"error","code":401,"message":"","detail":null}\n')
        self.assertIn("auth_token", self.ask())
        self.connection.receive(b'{"id":2,"code":200,"data":1}\n')
        self.assertNotIn("auth_token", self.ask())

    def test_cancel(self) -> None:
        """To take a call back is a message of its own; the call is unanswered until it is answered."""
        self.ask()
        sent = encode_cancel(1)
        self.assertEqual((json.loads(sent), sent[-1:]), ({"id": 1, "cancel": True}, b"\n"))
        self.assertEqual(len(self.connection.pending), 1)
        (event,) = self.connection.receive(b'{"id":1,"status":"error","code":499}\n')
        self.assertIsInstance(event, ErrorReceived)
        self.assertIsInstance(getattr(event, "error", None), Cancelled)
        self.assertEqual(len(self.connection.pending), 0)

    def test_credit(self) -> None:
        """The service can tell a stream that is asked for from credit for one, whatever its path is."""
        _, asked = self.connection.request(Call("GET", "/"), None, 64)
        request = decode_client_message(asked)
        self.assertEqual((request.credit, request.path), (64, "/"))
        granted = encode_credit(1, 32)
        self.assertEqual(json.loads(granted), {"id": 1, "credit": 32})
        self.assertIs(decode_client_message(granted).path, UNSET)
        self.assertEqual(granted[-1:], b"\n")


class ReceivingTests(ConnectionTestCase):
    """What comes."""

    def assertNonsense(self, data: bytes) -> None:
        """It is nothing that the protocol knows."""
        connection = ClientConnection(Credentials(None))
        connection.request(ITEM)
        with self.assertRaises(BadGateway):
            connection.receive(data)

    def test_answers(self) -> None:
        """Answers in any order, and items, each for its call."""
        for _ in range(3):
            self.ask()
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
        """Where a stream was asked for, a result is nonsense, for that call alone; no result is an end."""
        for credit, either in ((64, False), (64, False), (64, True), (None, False)):
            self.ask(credit=credit, either=either)
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
        self.assertNotIn("auth_token", self.ask())

    def test_token_refused(self) -> None:
        """Where the token is refused, it is said where it was found; other refusals are the service's own."""
        connection = ClientConnection(Credentials("secret", "it was found there"))
        details = ["auth_token is wrong", "who are you?", None]
        found = []
        for number, detail in enumerate(details, 1):
            connection.request(ITEM)
            line = {"id": number, "status": "error", "code": 401, "message": "Unauthorized", "detail": detail}
            (event,) = connection.receive(json.dumps(line).encode() + b"\n")
            found.append(getattr(event, "error", None))
        self.assertEqual([type(each) for each in found], [Unauthorized] * 3)
        told = ["auth_token is wrong; it was found there", *details[1:]]
        self.assertEqual([getattr(each, "detail", "") for each in found], told)

    def test_pieces(self) -> None:
        """However the bytes are cut, the same comes of them."""
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
        """It is known that the service wants us to go, and what is unanswered stays so."""
        self.ask()
        self.assertFalse(self.connection.leaving)
        self.assertEqual(self.connection.receive(b'{"goaway":true}\n'), [])
        self.assertEqual((self.connection.leaving, len(self.connection.pending)), (True, 1))

    def test_refused(self) -> None:
        """A failure that belongs to no call is one of the connection."""
        self.ask()
        for code, kind in ((413, TooLarge), (503, Unavailable)):
            with self.assertRaises(kind):
                self.connection.receive(b'{"status":"error","code":%d,"message":"","detail":null}\n' % code)

    def test_too_large(self) -> None:
        """A message that is too large fails alone: others are still answered, but nothing new is asked."""
        self.ask()
        self.ask(Call("POST", "/item", Raw(b'"' + b"x" * 200 + b'"')))
        self.ask()
        refusal = b'{"status":"error","code":413,"detail":{"max_message_bytes":200}}\n'
        (event,) = self.connection.receive(refusal)
        assert isinstance(event, ErrorReceived)
        self.assertEqual((event.id, type(event.error)), (2, TooLarge))
        self.assertEqual((list(self.connection.pending), self.connection.leaving), ([1, 3], True))
        self.assertRaises(TooLarge, self.connection.receive, refusal)

    def test_nonsense(self) -> None:
        """What the protocol does not know is not guessed at."""
        for data in (
            b"nonsense\n", b"[]\n", b"7\n", b'{"id":1,"code":"x"}\n', b'{"id":1,"data":"\xff"}\n',
            b'{"id":7,"code":200,"data":1}\n', b'{"id":"1","code":200,"data":1}\n', b'{"code":200}\n',
            b'{"id":1,"data":' + b"[" * 100_000 + b"\n",
        ):  # fmt: skip
            self.assertNonsense(data)

    def test_twice(self) -> None:
        """To answer a call a second time is nonsense, too."""
        self.assertNonsense(b'{"id":1,"code":200,"data":1}\n' * 2)

    def test_long(self) -> None:
        """An answer that comes in very many pieces takes no more than linear time."""
        piece = b"x" * 1000
        self.ask()
        suspended = time.process_time()
        self.connection.receive(b'{"id":1,"code":200,"data":"')
        for _ in range(40_000):
            self.connection.receive(piece)
        (event,) = self.connection.receive(b'"}\n')
        self.assertEqual(len(getattr(event, "data", b"")), 40_000_002)
        self.assertLess(time.process_time() - suspended, 3.0)
