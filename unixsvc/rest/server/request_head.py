"""The head of an HTTP request, read strictly: what two programs could read differently is refused.

Sources: RFC 9110 and RFC 9112. twisted.web lets pass obs-fold, a missing or second Host, HTTP/1.0 with
Transfer-Encoding, bare CR, and spaces where none belong; each has been used for smuggling requests.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct
from twisted.internet.abstract import isIPv6Address
from twisted.web.http_headers import Headers

from unixsvc.errors import Malformed, ServiceError

__all__ = [
    "ExpectationFailed", "Fields", "Head", "HeadTooLarge", "NotSupported", "TargetTooLong",
    "VersionNotSupported", "check_begun", "parse_head", "says_close",
]  # fmt: skip

# Twice what RFC 9112 recommends to accept at least of a request line is not asked for by anybody.
_LINE_BYTES: Final = 8192
_MAX_FIELDS: Final = 100
_KEPT_NAMES: Final = 1000  # a client can think of any number of names
_LEGAL: Final = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
_ILLEGAL: Final = re.compile(rb"[^\t\r\n\x20-\x7e\x80-\xff]|(?<!\r)\n|\r(?=[^\n])")
_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21\x22\x24-\x7e]+) (HTTP/[0-9]\.[0-9])")
# Labels as RFC 1035 has them, 63 bytes at most, of any characters that RFC 3986 lets be in a name.
_LABEL: Final = rb"[A-Za-z0-9_~%!$&'()*+,;=-]{1,63}"
_NAME: Final = rb"(?:" + _LABEL + rb"(?:\." + _LABEL + rb")*\.?)?"
_PORT: Final = rb"(?::[0-9]{0,5})?"
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|" + _NAME + rb")" + _PORT)
_HOST_BYTES: Final = 253
_ABSOLUTE: Final = re.compile(rb"https?://([^/?]+)([/?].*)?", re.IGNORECASE)
_VERSIONS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})


class TargetTooLong(ServiceError):
    """The request line is longer than anybody needs."""

    code = 414
    message = "URI too long"


class ExpectationFailed(ServiceError):
    """The client expects something other than ``100-continue``."""

    code = 417
    message = "Expectation failed"


class HeadTooLarge(ServiceError):
    """The head is too long, or has too many fields.

    :param limit: the longest head, in bytes.
    """

    code = 431
    message = "Request header fields too large"

    def __init__(self, limit: int) -> None:
        super().__init__({"max_header_bytes": limit})


class NotSupported(ServiceError):
    """A method that no path will ever have."""

    code = 501
    message = "Not implemented"


class VersionNotSupported(ServiceError):
    """Neither HTTP/1.0 nor HTTP/1.1."""

    code = 505
    message = "HTTP version not supported"


class Fields(Headers):
    """The fields of a head that has been read already, as twisted.web has them.

    :param found: by canonical names. To add them one by one would have each checked and copied once more:
        5 µs for the eight that a client usually sends.
    """

    __slots__ = ()

    def __init__(self, found: dict[bytes, list[bytes]]) -> None:
        self._rawHeaders = found


class Head(Struct, frozen=True):
    """What a request says before its body.

    :ivar target: the path and the query, or ``*``; nothing of a host.
    :ivar fields: by their names in twisted.web's spelling.
    :ivar length: of the body, in bytes; None if it comes in chunks.
    :ivar keep: whether the connection may be used again.
    :ivar expects: whether the client waits for ``100 Continue`` before it sends the body.
    """

    method: bytes
    target: bytes
    version: bytes
    fields: dict[bytes, list[bytes]]
    length: int | None
    keep: bool
    expects: bool


def parse_head(head: bytes, limit: int) -> Head:
    """Read a whole head.

    :param head: without the empty line that ends it.
    :param limit: its longest length, in bytes.
    :raises unixsvc.errors.ServiceError: if it is not to be served.
    """
    lines = head.split(b"\r\n")
    line = lines[0]
    if len(line) > _LINE_BYTES:
        raise TargetTooLong
    if len(head) > limit or len(lines) > _MAX_FIELDS:
        raise HeadTooLarge(limit)
    # One look at all bytes: once the legal ones are taken out, only the ends of the lines are left.
    if head.translate(None, _LEGAL) != b"\r\n" * (len(lines) - 1):
        raise Malformed("control characters, or line ends other than CRLF, in the head")
    method, target, version = _parse_line(line)
    fields: dict[bytes, list[bytes]] = {}
    for each in lines[1:]:
        name, colon, value = each.partition(b":")
        if not colon:
            raise Malformed("a header line without a colon")
        known = _names.get(name) or _spelling(name)
        if known in fields:
            fields[known].append(value.strip(b" \t"))
        else:
            fields[known] = [value.strip(b" \t")]
    new = version == b"HTTP/1.1"
    _check_host(fields, required=new)
    if target[0] != 0x2F:
        target = _origin_form(method, target, fields)
    length = _length(fields, new=new)
    keep = new and not (b"Connection" in fields and says_close(fields[b"Connection"]))
    return Head(method, target, version, fields, length, keep, b"Expect" in fields and _expects(fields, new))


def check_begun(suspended: bytearray, seen: int, limit: int) -> None:
    """Look at a head that is not whole yet, so that nonsense is refused before it has to be waited for.

    :param seen: how many of its bytes have been looked at before.
    :raises unixsvc.errors.ServiceError: if it is not to be served, whatever follows.
    """
    if _ILLEGAL.search(suspended, max(0, seen - 1)):
        raise Malformed("control characters, or line ends other than CRLF, in the head")
    end = suspended.find(b"\r\n", max(0, seen - 1))
    if end >= 0 and suspended.find(b"\r\n") == end:
        _parse_line(bytes(suspended[:end]))
    if len(suspended) > min(limit, _LINE_BYTES) and suspended.find(b"\r\n", 0, _LINE_BYTES + 2) < 0:
        raise TargetTooLong
    if len(suspended) > limit + 3:  # it may end with most of what ends it
        raise HeadTooLarge(limit)


def says_close(values: list[bytes]) -> bool:
    """Whether ``Connection`` says that this is the last message."""
    return any(each.strip() == b"close" for value in values for each in value.lower().split(b","))


_names: Final[dict[bytes, bytes]] = {}


def _spelling(name: bytes) -> bytes:
    spelled = Headers()
    try:
        spelled.addRawHeader(name, b"")
    except ValueError as error:  # a space before the colon, and obs-fold, are in a name too
        raise Malformed("a header name that is no token") from error
    ((known, _),) = spelled.getAllRawHeaders()
    if len(_names) < _KEPT_NAMES:
        _names[name] = known
    return known


def _parse_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise Malformed("no request line of HTTP/1.1")
    method, target, version = found.groups()
    if version not in _VERSIONS:
        raise VersionNotSupported
    if method == b"CONNECT":
        raise NotSupported
    return method, target, version


def _check_host(fields: dict[bytes, list[bytes]], *, required: bool) -> None:
    hosts = fields.get(b"Host", ())
    if len(hosts) > 1 or (required and not hosts):
        raise Malformed("there has to be one Host")
    if hosts and not _is_host(hosts[0]):
        raise Malformed("a Host that is none")


def _is_host(text: bytes) -> bool:
    """Whether it is a name or an address that could be there, with a port or without."""
    found = _HOST.fullmatch(text)
    if found is None:
        return False
    if text.startswith(b"["):
        return isIPv6Address(found[1][1:-1].decode())
    return len(text) <= _HOST_BYTES or len(found[1].removesuffix(b".")) <= _HOST_BYTES


def _origin_form(method: bytes, target: bytes, fields: dict[bytes, list[bytes]]) -> bytes:
    if target == b"*" and method == b"OPTIONS":
        return target
    found = _ABSOLUTE.fullmatch(target)
    if found is None or not _is_host(found[1]):
        raise Malformed("a target that is no path")
    fields[b"Host"] = [found[1]]  # which counts, RFC 9112 says, whatever Host was
    path: bytes = found[2] or b"/"
    return path if path.startswith(b"/") else b"/" + path


def _length(fields: dict[bytes, list[bytes]], *, new: bool) -> int | None:
    lengths, codings = fields.get(b"Content-Length"), fields.get(b"Transfer-Encoding")
    if codings is not None:
        if lengths is not None or not new:
            raise Malformed("Transfer-Encoding does not go with Content-Length, nor with HTTP/1.0")
        if codings != [b"chunked"]:
            raise Malformed("a Transfer-Encoding other than chunked")
        return None
    if lengths is None:
        return 0
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise Malformed("a Content-Length that is none")
    return int(lengths[0])


def _expects(fields: dict[bytes, list[bytes]], new: bool) -> bool:
    if new and [each.lower() for each in fields[b"Expect"]] != [b"100-continue"]:
        raise ExpectationFailed
    return new  # HTTP/1.0 knows nothing of it, and is served without
