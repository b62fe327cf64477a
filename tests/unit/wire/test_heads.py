from __future__ import annotations

import msgspec
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connection import Call, ClientConnection
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.events import ErrorReceived, ItemReceived, ResponseReceived
from unixsvc.domain.message import Reply
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import BadGateway
from unixsvc.wire.heads import WireHead, decode_body, encode_body, encode_head, from_wire, reply_from_wire
from unixsvc.wire.messages import encode_items, encode_reply

HEAD = ReplyHead(202, (("X-A", "b"), ("X-A", "é")), "text/csv", "base64")


class HeadTests(SynchronousTestCase):
    def receive(self, data: bytes) -> object:
        """What a client with one pending request receives."""
        connection = ClientConnection(Credentials(""))
        connection.request(Call("GET", "/"), credit=5 if b'"more"' in data else None)
        (event,) = connection.receive(data)
        return event

    def test_reply(self) -> None:
        """The head of a reply arrives as it was; bytes are base64."""
        encoded = encode_reply(1, Reply(200, b"\xff", head=HEAD), b"\n")
        self.assertEqual(
            msgspec.json.decode(encoded),
            {
                "id": 1,
                "code": 200,
                "head": {
                    "status": 202,
                    "headers": [["X-A", "b"], ["X-A", "é"]],
                    "media_type": "text/csv",
                    "form": "base64",
                },
                "data": "/w==",
            },
        )
        event = self.receive(encoded)
        assert isinstance(event, ResponseReceived)
        self.assertEqual((event.head, event.data), (HEAD, Raw(b'"/w=="')))

    def test_with_location(self) -> None:
        """A head and a location do not exclude each other."""
        head = ReplyHead(headers=(("X-A", "b"),))
        event = self.receive(encode_reply(1, Reply(200, b"7", location="/x", head=head), b"\n"))
        assert isinstance(event, ResponseReceived)
        self.assertEqual((event.location, event.head), ("/x", head))

    def test_bare(self) -> None:
        """A bare reply is the data alone, as JSON."""
        self.assertEqual(encode_reply(None, Reply(200, b"\xff", head=HEAD)), b'"/w=="')

    def test_error(self) -> None:
        """The headers of an error arrive with it."""
        head = ReplyHead(headers=(("Retry-After", "7"),))
        event = self.receive(encode_reply(1, Reply(429, b"", "Too many requests", head=head), b"\n"))
        assert isinstance(event, ErrorReceived)
        self.assertEqual(event.error.headers, (("Retry-After", "7"),))

    def test_items(self) -> None:
        """The first item of a stream has the head."""
        first, second = encode_items(1, [b"a", b"b"], HEAD, first=True).splitlines(keepends=True)
        event = self.receive(first)
        assert isinstance(event, ItemReceived)
        self.assertEqual((event.head, event.data), (HEAD, Raw(b'"YQ=="')))
        self.assertNotIn(b"head", second)
        self.assertNotIn(b"head", encode_items(1, [b"c"], HEAD))

    def test_bodies(self) -> None:
        """Each form of a body is read as it was written."""
        for form, body in (("json", b"[1]"), ("text", "é\n".encode()), ("base64", bytes(range(256)))):
            head = ReplyHead(form=form)  # type: ignore[arg-type]  # the tuple has them as texts
            encoded = encode_body(body, head)
            msgspec.json.decode(encoded)
            self.assertEqual(decode_body(Raw(encoded), head), body)

    def test_wrong_data(self) -> None:
        """Data of another form than the head says is 502."""
        for data in (b"7", b'"?"', b'"/w="', b'"\xff"', b'"\\ud800"'):
            self.assertRaises(BadGateway, decode_body, Raw(data), ReplyHead(form="base64"))
        self.assertRaises(BadGateway, reply_from_wire, Raw(b"7"), None, ReplyHead(form="text"))

    def test_heartbeat(self) -> None:
        """The heartbeat of a route reaches the gateway that has mounted its service."""
        self.assertEqual(encode_head(ReplyHead()), b"{}")
        sent = encode_head(ReplyHead(form="events", heartbeat=5.0))
        self.assertEqual(sent, b'{"form":"events","heartbeat":5.0}')
        received = from_wire(msgspec.json.decode(sent, type=WireHead))
        self.assertEqual(received, ReplyHead(form="events", heartbeat=5.0))

    def test_wrong_heads(self) -> None:
        """A head that HTTP cannot send is 502: another service cannot inject a header."""
        for head in (
            WireHead(headers=(("X-A", "b\r\nX-Evil: 1"),)),
            WireHead(headers=(("X-A\r\nX-Evil", "1"),)),
            WireHead(headers=(("Content-Length", "0"),)),
            WireHead(headers=(("X-A", "\u2028"),)),
            WireHead(media_type="text/html\r\nX-Evil: 1"),
            WireHead(status=101),
            WireHead(status=404),
            WireHead(status=1000),
            WireHead(heartbeat=0.001),
            WireHead(heartbeat=-1.0),
            WireHead(heartbeat=3601.0),
        ):
            self.assertRaises(BadGateway, from_wire, head)
        self.assertRaises(BadGateway, self.receive, b'{"id":1,"code":200,"head":{"form":"x"},"data":7}\n')
