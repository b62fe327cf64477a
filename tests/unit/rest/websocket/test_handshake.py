from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import Malformed, UpgradeRequired
from unixsvc.rest.server.request_head import Head, parse_head
from unixsvc.rest.websocket.handshake import (
    Handshake,
    negotiate_deflate,
    read_handshake,
    response_lines,
)

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def head(version: str = "1.1", **headers: str | None) -> Head:
    """A handshake; None leaves a header out."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in (HEADERS | changed).items() if value is not None]
    return parse_head("\r\n".join([f"GET /chat HTTP/{version}", *lines]).encode(), 16_384)


class ReadTests(SynchronousTestCase):
    def test_valid(self) -> None:
        """A valid handshake has a key, and perhaps subprotocols and extensions."""
        found = read_handshake(head(Sec_WebSocket_Protocol="chat.v2, chat.v1", Sec_WebSocket_Extensions="x"))
        self.assertEqual(found, Handshake(KEY.encode(), ("chat.v2", "chat.v1"), "x"))

    def test_malformed(self) -> None:
        """A handshake that lacks something, or has it twice or wrong, is 400."""
        for headers in (
            {"Connection": "keep-alive"},
            {"Sec_WebSocket_Key": None},
            {"Sec_WebSocket_Key": "short"},
            {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ"},
            {"Sec_WebSocket_Protocol": "a b"},
            {"Sec_WebSocket_Protocol": "a, a"},
            {"Sec_WebSocket_Protocol": ", ".join(map(str, range(33)))},
            {"Content_Length": "3"},
            {"Transfer_Encoding": "chunked"},
        ):
            with self.assertRaises(Malformed, msg=headers):
                read_handshake(head(**headers))
        with self.assertRaises(Malformed):
            read_handshake(head("1.0"))

    def test_version(self) -> None:
        """Another version is 426."""
        for version in ("8", None, "13, 8"):
            with self.assertRaises(UpgradeRequired):
                read_handshake(head(Sec_WebSocket_Version=version))


class ResponseTests(SynchronousTestCase):
    def test_accept(self) -> None:
        """The accept header is that of the example in RFC 6455, section 1.3."""
        lines = response_lines(Handshake(KEY.encode(), (), ""), None, "")
        self.assertIn(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", lines)
        self.assertNotIn(b"Protocol", lines)

    def test_choices(self) -> None:
        """The response names the subprotocol and the extensions."""
        lines = response_lines(Handshake(KEY.encode(), ("chat",), ""), "chat", "x")
        self.assertTrue(lines.endswith(b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\n"))


class DeflateTests(SynchronousTestCase):
    def negotiate(self, offer: str) -> str:
        """The header of the response to an offer."""
        return negotiate_deflate(Handshake(b"", (), offer))[0]

    def test_offers(self) -> None:
        """The first offer that can be accepted is; the windows are small; without one, there is none."""
        self.assertEqual(self.negotiate(""), "")
        self.assertEqual(self.negotiate("x-webkit-deflate-frame"), "")
        self.assertEqual(self.negotiate("permessage-deflate; unknown=1"), "")
        self.assertEqual(self.negotiate("permessage-deflate; server_max_window_bits=8"), "")
        self.assertEqual(
            self.negotiate("permessage-deflate"), "permessage-deflate; server_max_window_bits=12"
        )

    def test_malformed(self) -> None:
        """A header that cannot be parsed is 400."""
        with self.assertRaises(Malformed):
            self.negotiate("permessage-deflate;;")
