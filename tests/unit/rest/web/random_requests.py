"""Random requests for the application of the test of both ways."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.unit.rest.http_requests import TOKEN

__all__ = ["FIELDS", "KNOWN", "ORIGIN", "requests"]

UUID = "01234567-89ab-cdef-0123-456789abcdef"
ORIGIN = "https://shop.test"

SEGMENTS = (
    "", "hello", "things", "ints", "floats", "uuids", "files", "slash", "double", "any", "failure", "large",
    "secret", "some", "fail", "raw", "own", "raise", "text", "dict", "list", "resource", "none", "made",
    "abort", "crash", "conflict", "notfound", "docs", "openapi.json", "swagger-ui.css", "-", "health",
    "ping", "stats", "mount", "ed", "gone", "echo", "url", "7", "-7", "07", "7.5", "1e999", ".5",
    "01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-CDEF-0123-456789ABCDEF", "x", "%37", "x%2Fy",
    "%2F", "%ff", "%C3%A9", "%", "%2", "..", ".", "%00", "%0A", "%2541", "a%20b", "+", "<x>", "h%65llo",
    "m%6Funt", "123456789012345678", "1234567890123456789", "&", ";x=1", "~",
)  # fmt: skip
PATHS = st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
KNOWN = (
    "/hello", "/things", "/things/a", "/ints/7", "/files/a//b", "/slash/", "/slash", "/double//slash",
    "/any/7", "/any/x", "/any/x/y", "/large", "/secret", "/some", "/fail", "/raw", "/own/dict", "/own/text",
    "/own/made", "/own/7", "/own/7/", "/raise/conflict", "/raise/limited", "/docs", "/openapi.json",
    "/-/health", "/-/stats", "/mount/ed", "/mount/ed/", "/mount/ed/x", "/echo", "/%6Fwn/text", "/url",
    "/waiting/wait",
    "/failure",
)  # fmt: skip
QUERIES = ("", "?", "?n=2", "?size=20000", "?size=x", "?%ff", "?a=1&a=2", "?/../", "?seconds=0.5")
METHODS = (
    "GET",
    "GET",
    "GET",
    "HEAD",
    "POST",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "get",
    "M-X",
)
FIELDS = (
    f"Authorization: Bearer {TOKEN}", "Authorization: Bearer wrong", "Authorization: Basic eA==",
    "X-Request-Id: r1", "X-Request-Id: a b", "Traceparent: 00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    "X-Request-Timeout: 2", "X-Request-Timeout: 0", "Accept: text/event-stream", "Accept: application/jsonl",
    "Accept: */*", "Accept-Encoding: gzip", "Accept-Encoding: gzip;q=0", "If-None-Match: *",
    'If-None-Match: "a", W/"b"', f"Origin: {ORIGIN}", "Origin: https://evil.example", "Origin: null",
    "Sec-Fetch-Site: cross-site", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: X-A",
    "Connection: close", "Connection: keep-alive", "Cookie: a=b; c", "Idempotency-Key: k",
    "Expect: 100-continue",
    "X-Forwarded-For: 10.0.0.1", "Content-Encoding: gzip", "Referer: http://x/", "Te: trailers",
)  # fmt: skip
JSON, FORM = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"
BODIES = (
    (JSON, b'{"name":"a"}'), (JSON, b'{"name":1}'), (JSON, b"{"), (JSON, b"[]"),
    (JSON + "; charset=utf-8", b"{}"),
    (FORM, b"name=a&size=2"), (FORM, b"%ff"), ("Content-Type: text/plain", b"text"), ("X-A: b", b"text"),
    ("Content-Type: multipart/form-data; boundary=x", b"--x--"),
)  # fmt: skip
HOSTS = (*["localhost"] * 20, "shop.example:80", "a" * 63 + ".b", "[::1]:8080", "xn--a", "")


@st.composite
def requests(draw: Any) -> bytes:
    """The bytes of a request."""
    path = draw(st.sampled_from(KNOWN) | PATHS)
    version = draw(st.sampled_from(("1.1", "1.1", "1.1", "1.0")))
    lines = [f"{draw(st.sampled_from(METHODS))} {path}{draw(st.sampled_from(QUERIES))} HTTP/{version}"]
    host = draw(st.sampled_from(HOSTS))
    if host or version == "1.1":
        lines.append(f"Host: {host}")
    lines += draw(st.lists(st.sampled_from(FIELDS), max_size=3))
    kind: str
    body: bytes
    kind, body = draw(st.sampled_from((("", b""), ("", b""), *BODIES)))
    if body:
        lines += [kind, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
