"""The opening handshake of WebSockets (RFC 6455, section 4). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from unixsvc.errors import Malformed, UpgradeRequired
from unixsvc.rest.decode import RequestHeaders
from unixsvc.rest.server.request_head import Head

__all__ = ["Handshake", "negotiate_deflate", "read_handshake", "response_lines"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION: Final = b"13"
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_MAX_SUBPROTOCOLS: Final = 32
# A smaller window than zlib's default, as each connection has two: 64 KiB instead of 300.
_DEFLATE: Final = ServerPerMessageDeflateFactory(
    server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
)


class Handshake(Struct, frozen=True):
    """A handshake that is valid.

    :ivar key: ``Sec-WebSocket-Key``.
    :ivar subprotocols: those that the client offers, the preferred first.
    :ivar extensions: the header ``Sec-WebSocket-Extensions``; empty if there is none.
    """

    key: bytes
    subprotocols: tuple[str, ...]
    extensions: str


def read_handshake(head: Head) -> Handshake:
    """Check a request that asks for a WebSocket.

    :raises Malformed: if it is not a valid handshake.
    :raises UpgradeRequired: for another version.
    """
    headers = head.fields
    if head.version != b"HTTP/1.1":
        raise Malformed("a WebSocket needs HTTP/1.1")
    if b"upgrade" not in [option.lower() for option in _items(headers, b"Connection")]:
        raise Malformed("the header Connection does not name Upgrade")
    if headers.get(b"Sec-Websocket-Version") != [_VERSION]:
        raise UpgradeRequired("the version of WebSockets is 13")
    if head.block.length != 0:
        raise Malformed("a handshake has no body")
    keys = headers.get(b"Sec-Websocket-Key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        raise Malformed("Sec-WebSocket-Key is not the base64 of 16 bytes")
    subprotocols = [item.decode("latin-1") for item in _items(headers, b"Sec-Websocket-Protocol")]
    unique = len(set(subprotocols)) == len(subprotocols) <= _MAX_SUBPROTOCOLS
    if not unique or not all(map(_TOKEN.fullmatch, subprotocols)):
        raise Malformed("Sec-WebSocket-Protocol is not a list of names")
    extensions = b", ".join(headers.get(b"Sec-Websocket-Extensions", ()))
    return Handshake(keys[0], tuple(subprotocols), extensions.decode("latin-1"))


def response_lines(handshake: Handshake, subprotocol: str | None, extensions: str) -> bytes:
    """The header lines of the response that completes a handshake.

    :param subprotocol: the one that was chosen, if any.
    :param extensions: those that were negotiated; empty for none.
    """
    digest = hashlib.sha1(handshake.key + _GUID, usedforsecurity=False).digest()
    lines = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n" % (
        base64.b64encode(digest)
    )
    if subprotocol is not None:
        lines += b"Sec-WebSocket-Protocol: %b\r\n" % subprotocol.encode("latin-1")
    if extensions:
        lines += b"Sec-WebSocket-Extensions: %b\r\n" % extensions.encode("latin-1")
    return lines


def negotiate_deflate(handshake: Handshake) -> tuple[str, Sequence[Extension]]:
    """Accept the first offer of ``permessage-deflate`` (RFC 7692) that can be accepted.

    :returns: the header of the response, and the extension; both empty if there is none.
    :raises Malformed: if the header of the request cannot be parsed.
    """
    if not handshake.extensions:
        return "", ()
    try:
        offers = parse_extension(handshake.extensions)
    except InvalidHeader:
        raise Malformed("Sec-WebSocket-Extensions cannot be parsed") from None
    for name, parameters in offers:
        if name == _DEFLATE.name:
            try:
                accepted, extension = _DEFLATE.process_request_params(parameters, [])
            except NegotiationError:
                continue
            return build_extension([(name, accepted)]), (extension,)
    return "", ()


def _items(headers: RequestHeaders, name: bytes) -> list[bytes]:
    """The items of a header that is a list."""
    return [item for value in headers.get(name, ()) for each in value.split(b",") if (item := each.strip())]


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
