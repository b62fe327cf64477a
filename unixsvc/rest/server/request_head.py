"""A strict parser for the heads of HTTP requests (RFC 9110, RFC 9112).

A head that two programs could parse differently is rejected. twisted.web accepts obs-fold, a missing or
second Host, HTTP/1.0 with Transfer-Encoding, bare CR and stray spaces; each has been used for request
smuggling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from msgspec import Struct
from twisted.internet.abstract import isIPv6Address
from twisted.web.http_headers import Headers

from unixsvc.errors import Malformed, ServiceError
from unixsvc.rest.decode import HeaderFacts

__all__ = [
    "MAX_LINE",
    "ExpectationFailed",
    "Head",
    "HeadTooLarge",
    "HeaderBlock",
    "NotSupported",
    "TargetTooLong",
    "VersionNotSupported",
    "check_partial_head",
    "has_close",
    "parse_head",
]

# RFC 9112, section 3, recommends to accept at least 8,000 bytes.
MAX_LINE: Final = 8192
_MAX_FIELDS: Final = 100
_MAX_CACHED_NAMES: Final = 1000  # a client can make up any number of names
_LEGAL: Final = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
_ILLEGAL: Final = re.compile(rb"[^\t\r\n\x20-\x7e\x80-\xff]|(?<!\r)\n|\r(?=[^\n])")
_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21\x22\x24-\x7e]+) (HTTP/[0-9]\.[0-9])")
# Labels have at most 63 bytes (RFC 1035), of the characters of reg-name (RFC 3986).
_LABEL: Final = rb"[A-Za-z0-9_~%!$&'()*+,;=-]{1,63}"
_NAME: Final = rb"(?:" + _LABEL + rb"(?:\." + _LABEL + rb")*\.?)?"
_PORT: Final = rb"(?::[0-9]{0,5})?"
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|" + _NAME + rb")" + _PORT)
_MAX_HOST: Final = 253
_ABSOLUTE: Final = re.compile(rb"https?://([^/?]+)([/?].*)?", re.IGNORECASE)
_VERSIONS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})


class TargetTooLong(ServiceError, code=414, message="URI too long"):
    """The request line is too long."""


class ExpectationFailed(ServiceError, code=417, message="Expectation failed"):
    """The client expects something other than ``100-continue``."""


class HeadTooLarge(ServiceError, code=431, message="Request header fields too large"):
    """The head is too long, or has too many fields.

    :param limit: the longest head that is accepted, in bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__({"max_header_bytes": limit})


class NotSupported(ServiceError, code=501, message="Not implemented"):
    """The method is CONNECT, which is for proxies."""


class VersionNotSupported(ServiceError, code=505, message="HTTP version not supported"):
    """The version is neither HTTP/1.0 nor HTTP/1.1."""


class HeaderBlock(Struct, eq=False):
    """The header fields of a request, and what follows from them for its transfer.

    :ivar fields: the values of each header field, by its name in twisted.web's spelling. Requests may share
        them: they are never changed.
    :ivar length: of the body, in bytes; None if it is chunked.
    :ivar keep_alive: whether the connection stays open after the response.
    :ivar expects_continue: whether the client waits for ``100 Continue`` before it sends the body.
    :ivar facts: what the gateway has read in them.
    """

    fields: dict[bytes, list[bytes]]
    length: int | None = 0
    keep_alive: bool = True
    expects_continue: bool = False
    facts: HeaderFacts | None = None


class Head(Struct, frozen=True):
    """The head of a request.

    :ivar target: path and query in origin form, or ``*``.
    :ivar block: the header fields.
    """

    method: bytes
    target: bytes
    version: bytes
    block: HeaderBlock

    @property
    def fields(self) -> dict[bytes, list[bytes]]:
        """The values of each header field, by its name in twisted.web's spelling."""
        return self.block.fields


def parse_head(head: bytes, limit: int) -> Head:
    """Parse a complete head.

    :param head: without the empty line that ends it.
    :param limit: the longest head that is accepted, in bytes.
    :raises unixsvc.errors.ServiceError: if the head is rejected.
    """
    lines = head.split(b"\r\n")
    line = lines[0]
    if len(line) > MAX_LINE:
        raise TargetTooLong
    if len(head) > limit or len(lines) > _MAX_FIELDS:
        raise HeadTooLarge(limit)
    # One pass over all bytes: without the legal ones, only the line ends are left.
    if head.translate(None, _LEGAL) != b"\r\n" * (len(lines) - 1):
        raise Malformed("control characters or line ends other than CRLF in the head")
    method, target, version = _parse_line(line)
    fields: dict[bytes, list[bytes]] = {}
    for field in lines[1:]:
        name, colon, value = field.partition(b":")
        if not colon:
            raise Malformed("a header field has no colon")
        known = _names.get(name) or _canonical_name(name)
        if known in fields:
            fields[known].append(value.strip(b" \t"))
        else:
            fields[known] = [value.strip(b" \t")]
    http_1_1 = version == b"HTTP/1.1"
    _check_host(fields, required=http_1_1)
    if target[0] != 0x2F:
        target = _origin_form(method, target, fields)
    length = _body_length(fields, http_1_1=http_1_1)
    keep_alive = http_1_1 and not (b"Connection" in fields and has_close(fields[b"Connection"]))
    expects_continue = b"Expect" in fields and _expects_continue(fields, http_1_1=http_1_1)
    return Head(method, target, version, HeaderBlock(fields, length, keep_alive, expects_continue))


def check_partial_head(head: bytearray, scanned: int, limit: int) -> None:
    """Check an incomplete head, to reject what is malformed before the rest arrives.

    :param scanned: the number of its bytes that have been checked before.
    :param limit: the longest head that is accepted, in bytes.
    :raises unixsvc.errors.ServiceError: if the head is rejected, whatever follows.
    """
    if _ILLEGAL.search(head, max(0, scanned - 1)):
        raise Malformed("control characters or line ends other than CRLF in the head")
    end = head.find(b"\r\n", max(0, scanned - 1))
    if end >= 0 and head.find(b"\r\n") == end:
        _parse_line(bytes(head[:end]))
    if len(head) > min(limit, MAX_LINE) and head.find(b"\r\n", 0, MAX_LINE + 2) < 0:
        raise TargetTooLong
    if len(head) > limit + 3:  # up to three of the four bytes that end it may be there
        raise HeadTooLarge(limit)


def has_close(values: Iterable[bytes]) -> bool:
    """Whether the values of a ``Connection`` header contain ``close``."""
    return any(option.strip() == b"close" for value in values for option in value.lower().split(b","))


_names: Final[dict[bytes, bytes]] = {}


def _canonical_name(name: bytes) -> bytes:
    """Find the name of a header field in twisted.web's spelling.

    :raises Malformed: if it has characters that are not allowed.
    """
    headers = Headers()
    try:
        headers.addRawHeader(name, b"")
    except ValueError as error:  # also for a space before the colon, and obs-fold
        raise Malformed("a header name has characters that are not allowed") from error
    ((known, _),) = headers.getAllRawHeaders()
    if len(_names) < _MAX_CACHED_NAMES:
        _names[name] = known
    return known


def _parse_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise Malformed("the request line is not valid")
    method, target, version = found.groups()
    if version not in _VERSIONS:
        raise VersionNotSupported
    if method == b"CONNECT":
        raise NotSupported
    return method, target, version


def _check_host(fields: dict[bytes, list[bytes]], *, required: bool) -> None:
    hosts = fields.get(b"Host", ())
    if len(hosts) > 1 or (required and not hosts):
        raise Malformed("a request has exactly one Host header")
    if hosts and not _is_host(hosts[0]):
        raise Malformed("Host is not valid")


@lru_cache(256)  # most requests have the same
def _is_host(text: bytes) -> bool:
    """Whether a text is a host name or an IP address, with or without a port."""
    found = _HOST.fullmatch(text)
    if found is None:
        return False
    if text.startswith(b"["):
        return isIPv6Address(found[1][1:-1].decode())
    return len(text) <= _MAX_HOST or len(found[1].removesuffix(b".")) <= _MAX_HOST


def _origin_form(method: bytes, target: bytes, fields: dict[bytes, list[bytes]]) -> bytes:
    if target == b"*" and method == b"OPTIONS":
        return target
    found = _ABSOLUTE.fullmatch(target)
    if found is None or not _is_host(found[1]):
        raise Malformed("the request target is not a path")
    fields[b"Host"] = [found[1]]  # it replaces the Host header (RFC 9112, section 3.2.2)
    path: bytes = found[2] or b"/"
    return path if path.startswith(b"/") else b"/" + path


def _body_length(fields: dict[bytes, list[bytes]], *, http_1_1: bool) -> int | None:
    lengths, codings = fields.get(b"Content-Length"), fields.get(b"Transfer-Encoding")
    if codings is not None:
        if lengths is not None or not http_1_1:
            raise Malformed("Transfer-Encoding is not allowed together with Content-Length, or in HTTP/1.0")
        if [coding.lower() for coding in codings] != [b"chunked"]:
            raise Malformed("the only Transfer-Encoding that is supported is chunked")
        return None
    if lengths is None:
        return 0
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise Malformed("Content-Length is not valid")
    return int(lengths[0])


def _expects_continue(fields: dict[bytes, list[bytes]], *, http_1_1: bool) -> bool:
    if http_1_1 and [value.lower() for value in fields[b"Expect"]] != [b"100-continue"]:
        raise ExpectationFailed
    return http_1_1  # HTTP/1.0 ignores Expect
