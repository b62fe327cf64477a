"""The messages of the wire protocol."""

from __future__ import annotations

import json

from msgspec import UNSET, Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Caller, Reply
from unixsvc.errors import BadGateway, Malformed, NotFound, NotJSON
from unixsvc.wire.messages import (
    GOAWAY,
    MAX_ID_BYTES,
    ClientMessage,
    NotAnObject,
    ServerMessage,
    accept_data,
    check_utf8,
    decode_client_message,
    decode_server_message,
    encode_cancel,
    encode_client_message,
    encode_credit,
    encode_items,
    encode_reply,
    find_id,
    item_overhead,
    to_request,
)


class DecodeTests(SynchronousTestCase):
    """Requests."""

    def test_defaults(self) -> None:
        """An empty object is a request."""
        request = to_request(decode_client_message(b"{}"), Caller())
        self.assertEqual((request.method, request.path, bytes(request.data)), ("GET", "/", b"{}"))
        self.assertEqual((request.timeout, request.meta, request.auth_token), (None, {}, None))

    def test_each_field_of_the_wrong_type(self) -> None:
        """A field of the wrong type is named in the detail."""
        wrong: dict[str, object] = {
            "id": True, "method": 1, "path": None, "data": [], "auth_token": 1, "timeout": "1",
            "meta": {"a": 1}, "oneway": "yes", "cancel": 1,
        }  # fmt: skip
        for field, value in wrong.items():
            with self.assertRaises(Malformed) as caught:
                decode_client_message(json.dumps({field: value}).encode())
            self.assertNotIsInstance(caught.exception, NotJSON)
            [problem] = caught.exception.detail
            self.assertEqual(problem["field"].partition(".")[0], field)

    def test_several_fields(self) -> None:
        """All wrong fields are named at once."""
        with self.assertRaises(Malformed) as caught:
            decode_client_message(b'{"path":1,"timeout":"x"}')
        self.assertEqual([each["field"] for each in caught.exception.detail], ["path", "timeout"])

    def test_path_without_slash(self) -> None:
        """A path starts with a slash."""
        with self.assertRaises(Malformed) as caught:
            decode_client_message(b'{"path":"user"}')
        self.assertEqual(caught.exception.detail[0]["field"], "path")

    def test_not_json(self) -> None:
        """Bytes that are not JSON are distinguished from JSON that is not a request."""
        for text in (b"", b"{", b"nonsense", b'{"path":"\xff"}', b'{"x":' + b"[" * 100_000):
            with self.assertRaises(NotJSON):
                decode_client_message(text)

    def test_credit(self) -> None:
        """Credit is a number of items."""
        self.assertEqual([decode_client_message(b'{"credit":%d}' % each).credit for each in (0, 7)], [0, 7])
        self.assertIsNone(decode_client_message(b"{}").credit)
        for wrong in (b"-1", b'"1"', b"1.5", b"true"):
            with self.assertRaises(Malformed) as caught:
                decode_client_message(b'{"credit":%b}' % wrong)
            self.assertEqual(caught.exception.detail[0]["field"], "credit")

    def test_token_not_in_repr(self) -> None:
        """The repr of a request does not show the token."""
        wire = decode_client_message(b'{"auth_token":"sesame"}')
        self.assertNotIn("sesame", repr(wire) + repr(to_request(wire, Caller())))

    def test_find_id(self) -> None:
        """The id of a malformed message is found if it can be decoded."""
        self.assertEqual(find_id(b'{"path":1,"id":"a"}'), "a")
        too_long = b'{"id":"%b"}' % (b"x" * MAX_ID_BYTES)
        for text in (b'{"id":[]}', b"[1]", b"nonsense", b"{}", too_long):
            self.assertIsNone(find_id(text))

    def test_long_ids(self) -> None:
        """An id has at most 255 bytes as encoded: a string with its quotes and escapes, or a number."""
        longest: list[object] = ["x" * 253, "é" * 126, "\0" * 42, 10**254, -(10**253)]
        for each in longest:
            self.assertEqual(decode_client_message(_id_message(each)).id, each)
        for each in ("x" * 254, "é" * 127, "\0" * 43, 10**255, -(10**254)):
            message = _id_message(each)
            found = self.assertRaises(Malformed, decode_client_message, message)
            self.assertEqual(found.detail, [{"field": "id", "message": "is longer than 255 bytes"}])
            self.assertIsNone(find_id(message))

    def test_long_ids_of_traces(self) -> None:
        """The same holds for what calls to other services repeat; other entries of meta may be longer."""
        meta = {"request_id": "r" * 254, "traceparent": "t" * 254, "mine": "m" * 1000}
        found = self.assertRaises(Malformed, decode_client_message, json.dumps({"meta": meta}).encode())
        self.assertEqual([each["field"] for each in found.detail], ["meta.request_id", "meta.traceparent"])


class OtherDataTests(SynchronousTestCase):
    """Data that is no object."""

    def accepted(self, text: bytes, *routes: tuple[str, str]) -> ClientMessage:
        """The message, if one of the routes takes such data."""
        with self.assertRaises(NotAnObject) as caught:
            decode_client_message(text)
        return accept_data(caught.exception, lambda method, path: (method, path) in routes)

    def test_accepted(self) -> None:
        """A route that takes any data gets it; the query does not belong to its path."""
        for data in (b"[1]", b"5", b'"x"', b"null", b" [1]"):
            text = b'{"method":"post","path":"/a?b=c","data":%b}' % data
            message = self.accepted(text, ("POST", "/a"))
            self.assertEqual((bytes(message.data), message.path), (data.strip(), "/a?b=c"))
        self.assertIs(self.accepted(b'{"data":[]}', ("GET", "/")).path, UNSET)

    def test_refused(self) -> None:
        """For other routes the error is that of data of the wrong type."""
        error = self.assertRaises(NotAnObject, self.accepted, b'{"path":"/a","data":[]}', ("GET", "/b"))
        self.assertEqual(error.detail, [{"field": "data", "message": "Expected `object`"}])
        self.assertEqual((error.code, error.message), (Malformed.code, Malformed("x").message))

    def test_other_problems(self) -> None:
        """Other fields are checked as well."""
        for text, field in (
            (b'{"path":"a","data":[]}', "path"),
            (b'{"path":"/","data":[],"id":"%b"}' % (b"x" * 254), "id"),
        ):
            error = self.assertRaises(Malformed, self.accepted, text, ("GET", "a"), ("GET", "/"))
            self.assertEqual(error.detail[0]["field"], field)


def _id_message(id: object) -> bytes:
    return json.dumps({"id": id}, ensure_ascii=False).encode()


class EncodeTests(SynchronousTestCase):
    """Replies."""

    def test_envelope(self) -> None:
        """With an id, the reply is an envelope that is JSON for any id."""
        for each in (0, -1, 2**70, "", 'q"\\\n', "é"):
            text = encode_reply(each, Reply(200, b'{"a":1}'))
            self.assertEqual(json.loads(text), {"id": each, "code": 200, "data": {"a": 1}})
            self.assertNotIn(b"\n", text)

    def test_items(self) -> None:
        """Items of a stream are lines with the id."""
        for each in (0, 2**70, 'q"\\\n'):
            lines = encode_items(each, [b"1", b"[]"]).splitlines(keepends=True)
            datas: tuple[object, ...] = (1, [])
            expected = [{"id": each, "more": True, "data": data} for data in datas]
            self.assertEqual([json.loads(line) for line in lines], expected)
            self.assertEqual([line[-1:] for line in lines], [b"\n", b"\n"])
            self.assertEqual([len(line) for line in lines], [item_overhead(each) + n for n in (1, 2)])

    def test_made(self) -> None:
        """The location of a created resource is in the envelope, and not in a bare reply."""
        reply = Reply(200, b'{"id":7}', location="/user/7")
        expected = b'{"id":%s,"code":200,"location":"/user/7","data":{"id":7}}'
        self.assertEqual(encode_reply(1, reply), expected % b"1")
        self.assertEqual(encode_reply("a", reply), expected % b'"a"')
        self.assertEqual(encode_reply(None, reply), b'{"id":7}')
        self.assertIn(b'"location":""', encode_reply(1, Reply(200, b"1", location="")))

    def test_bare(self) -> None:
        """Without an id, the reply is the result alone."""
        self.assertEqual(encode_reply(None, Reply(200, b'{"a":1}')), b'{"a":1}')

    def test_failure(self) -> None:
        """An error has status, code, message and detail, with the id or without."""
        failure = {"status": "error", "code": 404, "message": "Not found", "detail": "no x"}
        reply = error_to_reply(NotFound("no x"))
        self.assertEqual(json.loads(encode_reply(None, reply)), failure)
        self.assertEqual(json.loads(encode_reply(3, reply)), {"id": 3} | failure)


class BothSidesTests(SynchronousTestCase):
    """What one side encodes, the other side decodes."""

    def test_request(self) -> None:
        """A request arrives with all its fields; those with their default value are not sent."""
        message = ClientMessage(7, "POST", "/a?b=1", Raw(b'{"c":1}'), "token", 1.5, {"d": "e"}, credit=0)
        self.assertEqual(decode_client_message(encode_client_message(message)), message)
        message = ClientMessage("x", path="/")
        encoded = encode_client_message(message)
        self.assertEqual((encoded, decode_client_message(encoded)), (b'{"id":"x","path":"/"}', message))

    def test_cancel(self) -> None:
        """A cancel has the id and nothing else."""
        encoded = encode_cancel(3)
        self.assertEqual(encoded, b'{"id":3,"cancel":true}\n')
        self.assertEqual(decode_client_message(encoded), ClientMessage(3, cancel=True))

    def test_credit(self) -> None:
        """Credit has no path, so that it is not taken for a request with credit."""
        encoded = encode_credit(3, 32)
        self.assertEqual(encoded, b'{"id":3,"credit":32}\n')
        message = decode_client_message(encoded)
        self.assertEqual((message, message.path), (ClientMessage(3, credit=32), UNSET))
        self.assertEqual(decode_client_message(b'{"id":1,"credit":1,"path":"/"}').path, "/")

    def test_reply(self) -> None:
        """A reply arrives with its result and location."""
        for location in (None, "", "/user/7"):
            line = encode_reply(5, Reply(200, b'{"a":1}', location=location))
            expected = ServerMessage(5, 200, data=Raw(b'{"a":1}'), location=location)
            self.assertEqual(decode_server_message(line), expected)

    def test_error(self) -> None:
        """An error arrives with its code and detail, and is known as one."""
        message = decode_server_message(encode_reply(5, error_to_reply(NotFound("no x"))))
        self.assertEqual(message, ServerMessage(5, 404, "error", "Not found", "no x"))
        self.assertTrue(message.failed)

    def test_items(self) -> None:
        """Each item of a stream arrives as one message."""
        messages = [decode_server_message(line) for line in encode_items("s", [b"1", b"[2]"]).splitlines()]
        expected = [ServerMessage("s", data=Raw(item), more=True) for item in (b"1", b"[2]")]
        self.assertEqual(messages, expected)

    def test_goaway(self) -> None:
        """Goaway arrives as such."""
        self.assertEqual(decode_server_message(GOAWAY), ServerMessage(goaway=True))


class DecodeServerMessageTests(SynchronousTestCase):
    """What a client accepts."""

    def test_not_a_message(self) -> None:
        """Bytes that are not a message of the protocol are a bad gateway."""
        lines = [b"", b"x", b"[]", b'{"id":[]}', b'{"code":"x"}', b'{"a":' + b"[" * 99_999]
        for line in lines:
            self.assertRaises(BadGateway, decode_server_message, line)

    def test_later_versions(self) -> None:
        """Fields that this version does not know are ignored."""
        self.assertEqual(decode_server_message(b'{"id":1,"code":200,"x":[1]}'), ServerMessage(1, 200))

    def test_utf8(self) -> None:
        """Data that is not UTF-8 is a bad gateway, though the decoder passes over it."""
        self.assertEqual(bytes(decode_server_message(b'{"data":"\xff"}').data), b'"\xff"')
        self.assertRaises(BadGateway, check_utf8, [b"a", b'{"data":"\xff"}'])
        check_utf8([b"a", "é".encode()])
