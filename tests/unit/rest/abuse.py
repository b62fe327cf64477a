"""Bytes that no server should take for a request, and what is answered."""

from __future__ import annotations

from msgspec import Struct

from tests.unit.rest.http_connection import ask

__all__ = ["CHUNKED", "HEADS", "LIMIT", "Abuse", "bodies"]

LIMIT = 16_384  # the longest head that is served
CHUNKED = ask("POST / HTTP/1.1", "Transfer-Encoding: chunked")


class Abuse(Struct, frozen=True):
    """Bytes that are not served.

    :ivar code: of the answer.
    :ivar why: what is wrong with them.
    """

    code: int
    why: str
    sent: bytes


HEADS = (
    Abuse(400, "obs-fold", ask("GET / HTTP/1.1", "A: b", " c")),
    Abuse(400, "obs-fold with a tab", ask("GET / HTTP/1.1", "A: b", "\tc")),
    Abuse(400, "a first header that is folded", ask("GET / HTTP/1.1", host=" Host: x")),
    Abuse(400, "no Host", ask(host="")),
    Abuse(400, "two Hosts", ask("GET / HTTP/1.1", "Host: x")),
    Abuse(400, "two Hosts in HTTP/1.0", ask("GET / HTTP/1.0", "Host: x")),
    Abuse(400, "a Host with a path", ask(host="Host: x/y")),
    Abuse(400, "a Host with a user", ask(host="Host: me@x")),
    Abuse(400, "a Host with a space", ask(host="Host: x y")),
    Abuse(400, "a Host with an empty label", ask(host="Host: a..b")),
    Abuse(400, "a Host of empty labels", ask(host="Host: ..")),
    Abuse(400, "a Host that begins with a dot", ask(host="Host: .a:80")),
    Abuse(400, "a Host with a label that is too long", ask(host=f"Host: {'a' * 64}.b")),
    Abuse(400, "a Host that is too long", ask(host=f"Host: {'a.' * 127}b")),
    Abuse(400, "a Host with an address that is none", ask(host="Host: [::1::2]")),
    Abuse(400, "a Host with an address of dots", ask(host="Host: [....]:80")),
    Abuse(400, "an absolute target with an empty label", ask("GET http://a..b/ HTTP/1.1")),
    Abuse(400, "a Host with a port that is none", ask(host="Host: x:http")),
    Abuse(400, "HTTP/1.0 with Transfer-Encoding", ask("POST / HTTP/1.0", "Transfer-Encoding: chunked")),
    Abuse(400, "both lengths", ask("POST / HTTP/1.1", "Content-Length: 5", "Transfer-Encoding: chunked")),
    Abuse(400, "two lengths", ask("POST / HTTP/1.1", "Content-Length: 5", "Content-Length: 5")),
    Abuse(400, "a list of lengths", ask("POST / HTTP/1.1", "Content-Length: 5, 5")),
    Abuse(400, "a length with a sign", ask("POST / HTTP/1.1", "Content-Length: +5")),
    Abuse(400, "a negative length", ask("POST / HTTP/1.1", "Content-Length: -5")),
    Abuse(400, "a length with a space inside", ask("POST / HTTP/1.1", "Content-Length: 5 5")),
    Abuse(400, "a length that is hexadecimal", ask("POST / HTTP/1.1", "Content-Length: 0x5")),
    Abuse(400, "a length with digits that are not ASCII", ask("POST / HTTP/1.1", "Content-Length: \xb2")),
    Abuse(400, "an empty length", ask("POST / HTTP/1.1", "Content-Length:")),
    Abuse(400, "a length of too many digits", ask("POST / HTTP/1.1", "Content-Length: " + "9" * 19)),
    Abuse(400, "another coding", ask("POST / HTTP/1.1", "Transfer-Encoding: gzip")),
    Abuse(400, "identity", ask("POST / HTTP/1.1", "Transfer-Encoding: identity")),
    Abuse(400, "chunked and another", ask("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked")),
    Abuse(400, "chunked twice", ask("POST / HTTP/1.1", *["Transfer-Encoding: chunked"] * 2)),
    Abuse(400, "chunked with something", ask("POST / HTTP/1.1", "Transfer-Encoding: \x0bchunked")),
    Abuse(400, "chunked in another case", ask("POST / HTTP/1.1", "Transfer-Encoding: Chunked")),
    Abuse(400, "a space before the colon", ask("GET / HTTP/1.1", "A : b")),
    Abuse(400, "a length with a space before the colon", ask("POST / HTTP/1.1", "Content-Length : 5")),
    Abuse(400, "no colon", ask("GET / HTTP/1.1", "A")),
    Abuse(400, "no name", ask("GET / HTTP/1.1", ": b")),
    Abuse(400, "a name that is no token", ask("GET / HTTP/1.1", "A(b): c")),
    Abuse(400, "a name with NUL", ask("GET / HTTP/1.1", "A\0: b")),
    Abuse(400, "a value with NUL", ask("GET / HTTP/1.1", "A: b\0")),
    Abuse(400, "a value with a control character", ask("GET / HTTP/1.1", "A: b\x1bc")),
    Abuse(400, "a value with DEL", ask("GET / HTTP/1.1", "A: b\x7f")),
    Abuse(400, "a bare CR", ask("GET / HTTP/1.1", "A: b\rC: d")),
    Abuse(400, "a bare LF", ask("GET / HTTP/1.1", "A: b\nC: d")),
    Abuse(400, "a request line that ends with LF", b"GET / HTTP/1.1\nHost: x\r\n\r\n"),
    Abuse(400, "a method that is no token", ask("G@T / HTTP/1.1")),
    Abuse(400, "no method", ask(" / HTTP/1.1")),
    Abuse(400, "a method without end", ask("G" * 33 + " / HTTP/1.1")),
    Abuse(400, "two spaces", ask("GET  / HTTP/1.1")),
    Abuse(400, "a tab", ask("GET\t/ HTTP/1.1")),
    Abuse(400, "a space at the end", ask("GET / HTTP/1.1 ")),
    Abuse(400, "a space in the target", ask("GET /a b HTTP/1.1")),
    Abuse(400, "a control character in the target", ask("GET /a\x01 HTTP/1.1")),
    Abuse(400, "no ASCII in the target", ask("GET /\xe4 HTTP/1.1")),
    Abuse(400, "a fragment", ask("GET /a#b HTTP/1.1")),
    Abuse(400, "a target that is no path", ask("GET a HTTP/1.1")),
    Abuse(400, "an authority as the target", ask("GET x:80 HTTP/1.1")),
    Abuse(400, "a star for GET", ask("GET * HTTP/1.1")),
    Abuse(400, "another scheme", ask("GET ftp://x/ HTTP/1.1")),
    Abuse(400, "an absolute target without a host", ask("GET http:///a HTTP/1.1")),
    Abuse(400, "an absolute target with a user", ask("GET http://me@x/ HTTP/1.1")),
    Abuse(400, "an absolute target without Host", ask("GET http://x/ HTTP/1.1", host="")),
    Abuse(400, "HTTP/0.9", ask("GET /")),
    Abuse(400, "a version in another case", ask("GET / http/1.1")),
    Abuse(400, "a version that is none", ask("GET / HTTP/1")),
    Abuse(414, "a request line without end", ask(f"GET /{'a' * 9000} HTTP/1.1")),
    Abuse(417, "an expectation", ask("POST / HTTP/1.1", "Expect: 200-ok")),
    Abuse(417, "two expectations", ask("POST / HTTP/1.1", "Expect: 100-continue", "Expect: x")),
    Abuse(431, "a header without end", ask("GET / HTTP/1.1", "A: " + "b" * LIMIT)),
    Abuse(431, "too many headers", ask("GET / HTTP/1.1", *["A: b"] * 100)),
    Abuse(501, "CONNECT", ask("CONNECT x:80 HTTP/1.1")),
    Abuse(505, "the beginning of HTTP/2", b"PRI * HTTP/2.0\r\n\r\n"),
    Abuse(505, "a later version", ask("GET / HTTP/1.2")),
    Abuse(505, "a much later version", ask("GET / HTTP/3.0")),
    Abuse(505, "an earlier version", ask("GET / HTTP/0.9")),
)


def bodies(head: int, body: int) -> tuple[Abuse, ...]:
    """Bodies that come in chunks, each with the head before it.

    :param head: the longest head that is served, in bytes.
    :param body: the longest body.
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
