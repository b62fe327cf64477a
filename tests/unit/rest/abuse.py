"""Bytes that a strict HTTP server rejects, and the status code of its response."""

from __future__ import annotations

from msgspec import Struct

from tests.unit.rest.http_connection import raw

__all__ = ["CHUNKED", "HEADS", "LIMIT", "Abuse", "bodies"]

LIMIT = 16_384  # the longest head that is accepted, in bytes
CHUNKED = raw("POST / HTTP/1.1", "Transfer-Encoding: chunked")


class Abuse(Struct, frozen=True):
    """Bytes that are rejected.

    :ivar code: the status code of the response.
    :ivar why: the reason.
    """

    code: int
    why: str
    sent: bytes


HEADS = (
    Abuse(400, "obs-fold", raw("GET / HTTP/1.1", "A: b", " c")),
    Abuse(400, "obs-fold with a tab", raw("GET / HTTP/1.1", "A: b", "\tc")),
    Abuse(400, "a first header that is folded", raw("GET / HTTP/1.1", host=" Host: x")),
    Abuse(400, "no Host", raw(host="")),
    Abuse(400, "two Hosts", raw("GET / HTTP/1.1", "Host: x")),
    Abuse(400, "two Hosts in HTTP/1.0", raw("GET / HTTP/1.0", "Host: x")),
    Abuse(400, "a Host with a path", raw(host="Host: x/y")),
    Abuse(400, "a Host with a user", raw(host="Host: me@x")),
    Abuse(400, "a Host with a space", raw(host="Host: x y")),
    Abuse(400, "a Host with an empty label", raw(host="Host: a..b")),
    Abuse(400, "a Host of empty labels", raw(host="Host: ..")),
    Abuse(400, "a Host that begins with a dot", raw(host="Host: .a:80")),
    Abuse(400, "a Host with a label that is too long", raw(host=f"Host: {'a' * 64}.b")),
    Abuse(400, "a Host that is too long", raw(host=f"Host: {'a.' * 127}b")),
    Abuse(400, "a Host with an address that is none", raw(host="Host: [::1::2]")),
    Abuse(400, "a Host with an address of dots", raw(host="Host: [....]:80")),
    Abuse(400, "an absolute target with an empty label", raw("GET http://a..b/ HTTP/1.1")),
    Abuse(400, "a Host with a port that is none", raw(host="Host: x:http")),
    Abuse(
        400,
        "HTTP/1.0 with Transfer-Encoding",
        raw("POST / HTTP/1.0", "Transfer-Encoding: chunked"),
    ),
    Abuse(
        400,
        "both lengths",
        raw("POST / HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked"),
    ),
    Abuse(400, "two lengths", raw("POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 5")),
    Abuse(400, "a list of lengths", raw("POST / HTTP/1.1", "Content-Length: 5, 5")),
    Abuse(400, "a length with a sign", raw("POST / HTTP/1.1", "Content-Length: +5")),
    Abuse(400, "a negative length", raw("POST / HTTP/1.1", "Content-Length: -5")),
    Abuse(400, "a length with a space inside", raw("POST / HTTP/1.1", "Content-Length: 5 5")),
    Abuse(400, "a length that is hexadecimal", raw("POST / HTTP/1.1", "Content-Length: 0x5")),
    Abuse(
        400,
        "a length with digits that are not ASCII",
        raw("POST / HTTP/1.1", "Content-Length: \xb2"),
    ),
    Abuse(400, "an empty length", raw("POST / HTTP/1.1", "Content-Length:")),
    Abuse(400, "a length of too many digits", raw("POST / HTTP/1.1", "Content-Length: " + "9" * 19)),
    Abuse(400, "another coding", raw("POST / HTTP/1.1", "Transfer-Encoding: gzip")),
    Abuse(400, "identity", raw("POST / HTTP/1.1", "Transfer-Encoding: identity")),
    Abuse(400, "chunked and another", raw("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked")),
    Abuse(400, "chunked twice", raw("POST / HTTP/1.1", *["Transfer-Encoding: chunked"] * 2)),
    Abuse(400, "chunked with something", raw("POST / HTTP/1.1", "Transfer-Encoding: \x0bchunked")),
    Abuse(400, "a space before the colon", raw("GET / HTTP/1.1", "A : b")),
    Abuse(400, "a length with a space before the colon", raw("POST / HTTP/1.1", "Content-Length : 5")),
    Abuse(400, "no colon", raw("GET / HTTP/1.1", "A")),
    Abuse(400, "no name", raw("GET / HTTP/1.1", ": b")),
    Abuse(400, "a name that is no token", raw("GET / HTTP/1.1", "A(b): c")),
    Abuse(400, "a name with NUL", raw("GET / HTTP/1.1", "A\0: b")),
    Abuse(400, "a value with NUL", raw("GET / HTTP/1.1", "A: b\0")),
    Abuse(400, "a value with a control character", raw("GET / HTTP/1.1", "A: b\x1bc")),
    Abuse(400, "a value with DEL", raw("GET / HTTP/1.1", "A: b\x7f")),
    Abuse(400, "a bare CR", raw("GET / HTTP/1.1", "A: b\rC: d")),
    Abuse(400, "a bare LF", raw("GET / HTTP/1.1", "A: b\nC: d")),
    Abuse(400, "a request line that ends with LF", b"GET / HTTP/1.1\nHost: x\r\n\r\n"),
    Abuse(400, "a method that is no token", raw("G@T / HTTP/1.1")),
    Abuse(400, "no method", raw(" / HTTP/1.1")),
    Abuse(400, "a method without end", raw("G" * 33 + " / HTTP/1.1")),
    Abuse(400, "two spaces", raw("GET  / HTTP/1.1")),
    Abuse(400, "a tab", raw("GET\t/ HTTP/1.1")),
    Abuse(400, "a space at the end", raw("GET / HTTP/1.1 ")),
    Abuse(400, "a space in the target", raw("GET /a b HTTP/1.1")),
    Abuse(400, "a control character in the target", raw("GET /a\x01 HTTP/1.1")),
    Abuse(400, "no ASCII in the target", raw("GET /\xe4 HTTP/1.1")),
    Abuse(400, "a fragment", raw("GET /a#b HTTP/1.1")),
    Abuse(400, "a target that is no path", raw("GET a HTTP/1.1")),
    Abuse(400, "an authority as the target", raw("GET x:80 HTTP/1.1")),
    Abuse(400, "a star for GET", raw("GET * HTTP/1.1")),
    Abuse(400, "another scheme", raw("GET ftp://x/ HTTP/1.1")),
    Abuse(400, "an absolute target without a host", raw("GET http:///a HTTP/1.1")),
    Abuse(400, "an absolute target with a user", raw("GET http://me@x/ HTTP/1.1")),
    Abuse(400, "an absolute target without Host", raw("GET http://x/ HTTP/1.1", host="")),
    Abuse(400, "HTTP/0.9", raw("GET /")),
    Abuse(400, "a version in another case", raw("GET / http/1.1")),
    Abuse(400, "a version that is none", raw("GET / HTTP/1")),
    Abuse(414, "a request line without end", raw(f"GET /{'a' * 9000} HTTP/1.1")),
    Abuse(417, "an expectation", raw("POST / HTTP/1.1", "Expect: 200-ok")),
    Abuse(417, "two expectations", raw("POST / HTTP/1.1", "Expect: 100-continue", "Expect: x")),
    Abuse(431, "a header without end", raw("GET / HTTP/1.1", "A: " + "b" * LIMIT)),
    Abuse(431, "too many headers", raw("GET / HTTP/1.1", *["A: b"] * 100)),
    Abuse(501, "CONNECT", raw("CONNECT x:80 HTTP/1.1")),
    Abuse(505, "the beginning of HTTP/2", b"PRI * HTTP/2.0\r\n\r\n"),
    Abuse(505, "a later version", raw("GET / HTTP/1.2")),
    Abuse(505, "a much later version", raw("GET / HTTP/3.0")),
    Abuse(505, "an earlier version", raw("GET / HTTP/0.9")),
)


def bodies(head: int, body: int) -> tuple[Abuse, ...]:
    """Chunked bodies, each with its head.

    :param head: the longest head that is accepted, in bytes.
    :param body: the longest body that is accepted, in bytes.
    """
    return (
        Abuse(400, "hexadecimal by Python's rules", CHUNKED + b"0x10\r\n"),
        Abuse(400, "negative", CHUNKED + b"-1\r\n"),
        Abuse(400, "with a sign", CHUNKED + b"+1\r\n"),
        Abuse(400, "with an underscore", CHUNKED + b"1_0\r\n"),
        Abuse(400, "a space before the size", CHUNKED + b" 1\r\n"),
        Abuse(400, "a space behind the size", CHUNKED + b"1 \r\n"),
        Abuse(400, "no size", CHUNKED + b"\r\n"),
        Abuse(400, "no size but an extension", CHUNKED + b";a=b\r\n"),
        Abuse(400, "more digits than any size has", CHUNKED + b"0" * 17 + b"\r\n"),
        Abuse(400, "no CRLF behind the data", CHUNKED + b"1\r\nab\r\n"),
        Abuse(400, "something else for CRLF behind the data", CHUNKED + b"1\r\naXX0\r\n\r\n"),
        Abuse(400, "LF behind the data", CHUNKED + b"1\r\na\n0\r\n\r\n"),
        Abuse(400, "LF behind the size", CHUNKED + b"1\na"),
        Abuse(400, "a control character in an extension", CHUNKED + b"1;\x01\r\n"),
        Abuse(400, "LF in an extension", CHUNKED + b"1;a\n0\r\n"),
        Abuse(400, "a trailer that is none", CHUNKED + b"0\r\nno trailer\r\n"),
        Abuse(400, "LF in a trailer", CHUNKED + b"0\r\nA: b\n\r\n"),
        Abuse(413, "huge", CHUNKED + b"ffffffffffffffff\r\n"),
        Abuse(413, "just too large", CHUNKED + b"%x\r\n" % (body + 1)),
        Abuse(413, "too large in all", CHUNKED + b"%x\r\n" % (body - 3) + b"a" * (body - 3) + b"\r\n4\r\n"),
        Abuse(400, "an extension without end", CHUNKED + b"1;" + b"a" * head),
        Abuse(400, "many extensions", CHUNKED + (b"1;" + b"a" * 200 + b"\r\nx\r\n") * (head // 200 + 1)),
        Abuse(400, "a trailer without end", CHUNKED + b"0\r\nA: " + b"a" * head),
        Abuse(400, "many trailers", CHUNKED + b"0\r\n" + b"A: b\r\n" * (head // 4 + 1)),
    )
