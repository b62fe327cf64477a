from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.multipart.forms import MALFORMED, MULTIPART
from unixsvc.domain.message import Request
from unixsvc.errors import Invalid, Malformed
from unixsvc.rest.bodies import UnsupportedMediaType
from unixsvc.rest.decode import (
    RequestHeaders,
    decode_path,
    decode_request,
    read_headers,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def read(
    body: bytes = b"", kind: bytes | None = None, query: bytes = b"", method: bytes = b"POST", **headers: Any
) -> Request:
    """Decode a request."""
    found: dict[bytes, list[bytes]] = {
        name.replace("_", "-").encode(): value if isinstance(value, list) else [value]
        for name, value in headers.items()
    }
    if kind is not None:
        found[b"Content-Type"] = [kind]
    facts = read_headers(found)
    return decode_request(method, "/", query, facts, body, facts.meta)


def read_meta(headers: RequestHeaders) -> dict[str, str]:
    """The meta of a message with these header fields."""
    return read_headers(headers).meta


class PathTests(SynchronousTestCase):
    def test_escapes(self) -> None:
        """Percent-escapes are kept: the router decodes each segment."""
        self.assertEqual(decode_path(b"/a%2Fb/%C3%BC"), "/a%2Fb/%C3%BC")

    def test_no_path(self) -> None:
        """A path that is not valid is rejected."""
        for path in (b"*", b"nowhere", b"", b"/\xff"):
            self.assertRaises(Malformed, decode_path, path)


class MetaTests(SynchronousTestCase):
    def test_meta(self) -> None:
        """Request id, traceparent and idempotency key become ``meta``."""
        headers = {
            b"X-Request-Id": [b"r:1/a+b=@.-_"],
            b"Traceparent": [TRACE.encode()],
            b"Idempotency-Key": [b"k"],
        }
        expected = {"request_id": "r:1/a+b=@.-_", "traceparent": TRACE, "idempotency_key": "k"}
        self.assertEqual(read_meta(headers), expected)

    def test_trace(self) -> None:
        """The state of the trace comes with it; baggage in any case. What is too long is left out."""
        trace = {
            b"Traceparent": [TRACE.encode()],
            b"Tracestate": [b"a=1", b"b=2"],
            b"Baggage": [b"c=3", b"d=4"],
        }
        expected = {"traceparent": TRACE, "tracestate": "a=1,b=2", "baggage": "c=3,d=4"}
        self.assertEqual(read_meta(trace), expected)
        del trace[b"Traceparent"]
        self.assertEqual(read_meta(trace), {"baggage": "c=3,d=4"})
        for name, value in ((b"Tracestate", b"s" * 513), (b"Baggage", b"b" * 8193), (b"Baggage", b"\xe4")):
            self.assertEqual(
                read_meta({b"Traceparent": [TRACE.encode()], name: [value]}), {"traceparent": TRACE}
            )

    def test_bad_request_id(self) -> None:
        """A request id that is empty, too long, or could forge log entries is ignored."""
        for value in (
            b"",
            b"x" * 129,
            b"\xe4",
            b"a\x01b",
            b"a b",
            b"1] GET /admin failed: hacked [2",
            b"a\n",
        ):
            self.assertEqual(read_meta({b"X-Request-Id": [value]}), {})
        self.assertEqual(read_meta({b"X-Request-Id": [b"x" * 128]}), {"request_id": "x" * 128})

    def test_bad_traceparent(self) -> None:
        """A malformed traceparent is ignored; one of a later version may be longer."""
        parts = TRACE.split("-")
        for wrong in (
            TRACE.upper(), TRACE + "-x", "ff" + TRACE[2:], "x", f"00-{'0' * 32}-{parts[2]}-01",
            f"00-{parts[1]}-{'0' * 16}-01", f"01{TRACE[2:]}x",
        ):  # fmt: skip
            self.assertEqual(read_meta({b"Traceparent": [wrong.encode()]}), {}, wrong)
        later = f"01{TRACE[2:]}-more"
        self.assertEqual(read_meta({b"Traceparent": [later.encode()]}), {"traceparent": later})


class HeadersTests(SynchronousTestCase):
    def test_token(self) -> None:
        """The token follows Bearer in any case; another scheme has no token."""
        self.assertEqual(read(Authorization=b"Bearer abc").auth_token, "abc")
        self.assertEqual(read(Authorization=b"bEARER  abc ").auth_token, "abc")
        self.assertIsNone(read(Authorization=b"Basic abc").auth_token)
        self.assertIsNone(read().auth_token)

    def test_two_tokens(self) -> None:
        """Two Authorization headers are rejected."""
        self.assertRaises(Malformed, read, Authorization=[b"Bearer a", b"Bearer b"])

    def test_timeout(self) -> None:
        """The time-out is a number of seconds above 0; anything else is rejected."""
        self.assertEqual(read(X_Request_Timeout=b"2.5").timeout, 2.5)
        self.assertIsNone(read().timeout)
        for wrong in (b"0", b"-1", b"x", b"", b"inf", b"nan", b"1_0", b"1e3", b"9" * 400, b"0.0"):
            self.assertRaises(Malformed, read, X_Request_Timeout=wrong)

    def test_separate_callers(self) -> None:
        """Nothing about the caller of one request applies to the next one."""
        first, second = read(), read()
        first.caller.trusted = True
        self.assertFalse(second.caller.trusted)

    def test_method(self) -> None:
        """Methods are case-sensitive."""
        self.assertEqual(read(method=b"PURGE").method, "PURGE")
        self.assertEqual(read(method=b"get").method, "get")


class JSONTests(SynchronousTestCase):
    def test_object(self) -> None:
        """A JSON object is the data, unchanged."""
        for kind in (
            b"application/json",
            b"Application/JSON; charset=UTF-8",
            b"application/merge-patch+json",
        ):
            found = read(b' {"a": [1, 2]} ', kind)
            self.assertEqual(bytes(found.data), b'{"a": [1, 2]}')

    def test_no_object(self) -> None:
        """Other JSON values are rejected."""
        for body in (b"[]", b'"a"', b"null", b"7"):
            self.assertRaises(Malformed, read, body, b"application/json")

    def test_not_json(self) -> None:
        """Text that is not JSON is rejected: two values, invalid UTF-8, too deep nesting."""
        for body in (
            b"{",
            b"{}{}",
            b"{} x",
            b'{"a":"\xff"}',
            b'{"a":' * 9000,
            b"\xef\xbb\xbf{}",
            b'{"a":"\n"}',
        ):
            self.assertRaises(Malformed, read, body, b"application/json")

    def test_one_line(self) -> None:
        """Line ends are removed, as they would end the message to another service."""
        self.assertEqual(bytes(read(b'{\r\n"a":\n1}', b"application/json").data), b'{  "a": 1}')

    def test_query_and_json(self) -> None:
        """The query of the URL is kept beside a JSON object."""
        self.assertEqual(read(b"{}", b"application/json", b"a=1").query, "a=1")


class BodyTests(SynchronousTestCase):
    def test_no_body(self) -> None:
        """Without a body, the query is used, whatever the Content-Type is."""
        found = read(query=b"a=1&b=%20", kind=b"text/plain")
        self.assertEqual((found.query, bytes(found.data)), ("a=1&b=%20", b"{}"))

    def test_query_not_utf_8(self) -> None:
        """A query that is not valid UTF-8 is rejected."""
        self.assertRaises(Malformed, read, query=b"\xff")

    def test_form(self) -> None:
        """The fields of a form replace the query."""
        found = read(b"a=1&b=x+y", b"application/x-www-form-urlencoded", b"c=3")
        self.assertEqual((found.query, bytes(found.data)), ("a=1&b=x+y", b"{}"))

    def test_unsupported(self) -> None:
        """Other media types, charsets and content codings are 415."""
        for kind in (
            b"text/plain",
            None,
            b"application/xml",
            b"text/x+json",
            b"application/json; charset=latin1",
            b'application/json; Charset="utf-16"',
            b"application/json; charset =utf-16",
            b"application/json; charset = utf-8",
            b"application/json; charset*=us-ascii''utf-16",
            b"application/json; charset=utf-8; charset=utf-16",
            b'application/json; charset="utf-8',
            b"application/json; charset=utf-8x",
        ):
            self.assertRaises(UnsupportedMediaType, read, b"{}", kind)
        error = self.assertRaises(
            UnsupportedMediaType, read, b"{}", b"application/json", Content_Encoding=b"gzip"
        )
        self.assertEqual(error.code, 415)

    def test_charset(self) -> None:
        """The charset may be UTF-8, in any spelling."""
        for parameter in (b"charset=utf-8", b'CHARSET="UTF-8"', b"charset=utf8; a=b"):
            self.assertEqual(bytes(read(b"{}", b"application/json; " + parameter).data), b"{}")

    def test_two_types(self) -> None:
        """Two Content-Type headers are rejected."""
        kinds = [b"text/plain", b"application/json"]
        self.assertRaises(Malformed, read, b"{}", Content_Type=kinds)
        self.assertRaises(Malformed, read, b"{}", Content_Type=kinds[1:] * 2)

    def test_bad_form(self) -> None:
        """A malformed form is rejected here, as the router would call it a query."""
        for body, message in (
            (b"&".join([b"a=1"] * 1001), "more than 1000 fields"),
            (b"a=%FF", "not valid UTF-8"),
            (b"a=\xff", "not valid UTF-8"),
            (b'{"name": "x"}\n', "looks like JSON"),
        ):
            error = self.assertRaises(Malformed, read, body, b"application/x-www-form-urlencoded")
            self.assertTrue(error.detail.startswith("body: "), error.detail)
            self.assertIn(message, error.detail)
        most = b"&".join([b"a=%C3%BC"] * 1000)
        self.assertEqual(read(most, b"application/x-www-form-urlencoded").query, most.decode())
        self.assertEqual(read(b"{=1", b"application/x-www-form-urlencoded").query, "{=1")


def form(*parts: bytes) -> bytes:
    """The bytes of a multipart form."""
    return (
        b"".join(b"--xx\r\nContent-Disposition: form-data; " + each + b"\r\n" for each in parts)
        + b"--xx--\r\n"
    )


# An action may do without a body, and the body is bounded.
_ACCEPTED = {"nothing", "a long head", "a head without end"}
KIND = b'multipart/form-data; boundary="xx"'


class MultipartTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """Text fields are encoded as a query, in their order."""
        body = form(
            b'name="a"\r\n\r\n1 & 2',
            b"name=b\r\nContent-Type: text/plain\r\n\r\n\xc3\xbc\r\n\r\n--x",
            b'name="q%22"\r\n\r\n',
        )
        self.assertEqual(read(body, KIND).query, "a=1+%26+2&b=%C3%BC%0D%0A%0D%0A--x&q%22=")

    def test_file(self) -> None:
        """A file is rejected with the name of its field."""
        body = form(
            b'name="a"\r\n\r\n1',
            b'name="f"; filename="x.txt"\r\n\r\nx',
            b"name=g; filename*=utf-8''x\r\n\r\n",
        )
        error = self.assertRaises(Invalid, read, body, KIND)
        self.assertEqual([each["field"] for each in error.detail], ["f", "g"])

    def test_no_file(self) -> None:
        """A file input for which no file was chosen, with no name and no content, is left out."""
        empty = b'name="f"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n'
        self.assertEqual(read(form(b'name="a"\r\n\r\n1', empty), KIND).query, "a=1")
        for file in (empty + b"x", b'name="f"; filename="x.txt"\r\n\r\n'):
            self.assertRaises(Invalid, read, form(file), KIND)

    def test_many_files_with_long_names(self) -> None:
        """At most 100 files are named, each with at most 300 characters."""
        body = form(*[b'name="' + b"f" * 5000 + b'"; filename="x.txt"\r\n\r\nx'] * 200)
        error = self.assertRaises(Invalid, read, body, KIND)
        self.assertEqual({len(each["field"]) for each in error.detail}, {300})
        self.assertEqual(len(error.detail), 100)

    def test_malformed(self) -> None:
        """Malformed forms are 400: no boundary, no end, no name, no headers, too many fields."""
        for body, kind in (
            (form(b'name="a"\r\n\r\n1'), b"multipart/form-data"),
            (b"--xx\r\n", KIND),
            (b'--xx\nContent-Disposition: form-data; name="a"\n\n1\n--xx--\n', KIND),
            (form(b'name="a"\r\n\r\n1')[:-6], KIND),
            (form(b'x="a"\r\n\r\n1'), KIND),
            (form(b'name="a"'), KIND),
            (b"--xx\r\nA: b\r\n\r\n1\r\n--xx--", KIND),
            (form(*[b'name="a"\r\n\r\n1'] * 1001), KIND),
            (form(b'name="a"\r\n\r\n\xff'), KIND),
        ):
            self.assertRaises(Malformed, read, body, kind)

    def test_as_strict_as_uploads(self) -> None:
        """What is malformed for an action that takes files is malformed for one that takes none."""
        kind = MULTIPART.encode()
        for each in MALFORMED:
            if each.why not in _ACCEPTED:
                with self.assertRaises(Malformed, msg=each.why):
                    read(each.body, kind)
        wrong = b"; boundary=yy"
        self.assertRaises(Malformed, read, form(b'name="a"\r\n\r\n1'), KIND + wrong)

    def test_heads(self) -> None:
        """Usual heads and others are read alike: other headers, escapes, other alphabets, backslashes."""
        for head, name in (
            (b'name="a%22%41"', "a%22%2541"),
            (b'name="\xc3\xbc"', "%C3%BC"),
            (b'name="a\\"', "a%5C"),
            (b'name="a\\"b"', "a%22b"),
            (b'name="a=b;c"', "a%3Db%3Bc"),
            (b"NAME=a\r\nX: y", "a"),
        ):
            self.assertEqual(read(form(head + b"\r\n\r\n1"), KIND).query, f"{name}=1")
        self.assertEqual(read(b"\r\n" + form(b'name="a"\r\n\r\n1'), KIND).query, "a=1")
        self.assertEqual(read(form(), KIND).query, "")

    def test_most_fields(self) -> None:
        """A thousand fields are accepted."""
        self.assertEqual(read(form(*[b'name="a"\r\n\r\n1'] * 1000), KIND).query.count("a=1"), 1000)
