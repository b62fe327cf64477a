"""Between bytes and requests and replies."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Caller, Reply
from unixsvc.errors import Malformed, NotFound, NotJSON
from unixsvc.wire.messages import decode, encode, encode_items, find_id, is_grant, to_request


class DecodeTests(SynchronousTestCase):
    """Requests."""

    def test_defaults(self) -> None:
        """An empty object is a request."""
        request = to_request(decode(b"{}"), Caller())
        self.assertEqual((request.method, request.path, bytes(request.data)), ("GET", "/", b"{}"))
        self.assertEqual((request.timeout, request.meta, request.auth_token), (None, {}, None))

    def test_each_field_of_the_wrong_type(self) -> None:
        """Every field has a type, and the detail names the field that hasn't it."""
        wrong: dict[str, object] = {
            "id": True, "method": 1, "path": None, "data": [], "auth_token": 1, "timeout": "1",
            "meta": {"a": 1}, "oneway": "yes", "cancel": 1,
        }  # fmt: skip
        for field, value in wrong.items():
            with self.assertRaises(Malformed) as caught:
                decode(json.dumps({field: value}).encode())
            self.assertNotIsInstance(caught.exception, NotJSON)
            [problem] = caught.exception.detail
            self.assertEqual(problem["field"].partition(".")[0], field)

    def test_several_fields(self) -> None:
        """All that is wrong is named at once."""
        with self.assertRaises(Malformed) as caught:
            decode(b'{"path":1,"timeout":"x"}')
        self.assertEqual([each["field"] for each in caught.exception.detail], ["path", "timeout"])

    def test_path_without_slash(self) -> None:
        """A path starts with a slash."""
        with self.assertRaises(Malformed) as caught:
            decode(b'{"path":"user"}')
        self.assertEqual(caught.exception.detail[0]["field"], "path")

    def test_not_json(self) -> None:
        """What cannot be decoded is told apart from what is no request."""
        for text in (b"", b"{", b"nonsense", b'{"path":"\xff"}', b'{"x":' + b"[" * 100_000):
            with self.assertRaises(NotJSON):
                decode(text)

    def test_credit(self) -> None:
        """Credit is a number of items."""
        self.assertEqual([decode(b'{"credit":%d}' % each).credit for each in (0, 7)], [0, 7])
        self.assertIsNone(decode(b"{}").credit)
        for wrong in (b"-1", b'"1"', b"1.5", b"true"):
            with self.assertRaises(Malformed) as caught:
                decode(b'{"credit":%b}' % wrong)
            self.assertEqual(caught.exception.detail[0]["field"], "credit")

    def test_grant(self) -> None:
        """Who grants more names no path, and who asks with credit does."""
        self.assertTrue(is_grant(b'{"id":1,"credit":1}'))
        self.assertFalse(is_grant(b'{"id":1,"credit":1,"path":"/"}'))

    def test_token_is_not_shown(self) -> None:
        """What is written of a request in a log does not show the token."""
        wire = decode(b'{"auth_token":"sesame"}')
        self.assertNotIn("sesame", repr(wire) + repr(to_request(wire, Caller())))

    def test_find_id(self) -> None:
        """The id of a wrong message is found where there is one that can be read."""
        self.assertEqual(find_id(b'{"path":1,"id":"a"}'), "a")
        for text in (b'{"id":[]}', b"[1]", b"nonsense", b"{}"):
            self.assertIsNone(find_id(text))


class EncodeTests(SynchronousTestCase):
    """Replies."""

    def test_envelope(self) -> None:
        """With an id, an envelope that is JSON whatever the id is."""
        for each in (0, -1, 2**70, "", 'q"\\\n', "é"):
            text = encode(each, Reply(200, b'{"a":1}'))
            self.assertEqual(json.loads(text), {"id": each, "code": 200, "data": {"a": 1}})
            self.assertNotIn(b"\n", text)

    def test_items(self) -> None:
        """Items of a stream are lines with the id, whatever that is."""
        for each in (0, 2**70, 'q"\\\n'):
            lines = encode_items(each, [b"1", b"[]"]).splitlines(keepends=True)
            datas: tuple[object, ...] = (1, [])
            expected = [{"id": each, "more": True, "data": data} for data in datas]
            self.assertEqual([json.loads(line) for line in lines], expected)
            self.assertEqual([line[-1:] for line in lines], [b"\n", b"\n"])

    def test_made(self) -> None:
        """What has made something says where that is; whoever did not ask by an id gets the result alone."""
        reply = Reply(200, b'{"id":7}', location="/user/7")
        expected = b'{"id":%s,"code":200,"location":"/user/7","data":{"id":7}}'
        self.assertEqual(encode(1, reply), expected % b"1")
        self.assertEqual(encode("a", reply), expected % b'"a"')
        self.assertEqual(encode(None, reply), b'{"id":7}')
        self.assertIn(b'"location":""', encode(1, Reply(200, b"1", location="")))

    def test_bare(self) -> None:
        """Without one, the result alone."""
        self.assertEqual(encode(None, Reply(200, b'{"a":1}')), b'{"a":1}')

    def test_failure(self) -> None:
        """A failure says what it is, with the id or without."""
        failure = {"status": "error", "code": 404, "message": "Not found", "detail": "no x"}
        reply = error_to_reply(NotFound("no x"))
        self.assertEqual(json.loads(encode(None, reply)), failure)
        self.assertEqual(json.loads(encode(3, reply)), {"id": 3} | failure)
