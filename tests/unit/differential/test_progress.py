from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.progress import HttpProgress, SocketProgress, id_of, key_of, lines_of
from tests.differential.steps import Until


class SocketProgressTests(SynchronousTestCase):
    def test_reply(self) -> None:
        """A reply is complete with its line end, and belongs to the id of its type."""
        progress = SocketProgress()
        progress.feed(b'{"id":1,"code":200}')
        self.assertFalse(progress.reached(Until(0, id=1)))
        progress.feed(b"\n")
        self.assertTrue(progress.reached(Until(0, id=1)))
        self.assertFalse(progress.reached(Until(0, id="1")))

    def test_items(self) -> None:
        """Items are counted; the last reply completes the stream."""
        progress = SocketProgress()
        progress.feed(b'{"id":"s","more":true,"data":1}\n{"id":"s","more":true,"data":2}\n')
        wanted = [Until(0, id="s", items=count, whole=False) for count in (0, 2, 3)]
        self.assertEqual([progress.reached(each) for each in wanted], [True, True, False])
        self.assertFalse(progress.reached(Until(0, id="s")))
        progress.feed(b'{"id":"s","code":200,"data":null}\n')
        self.assertTrue(all(progress.reached(each) for each in wanted))

    def test_others(self) -> None:
        """Bare replies, and bytes that are not JSON, answer no id."""
        progress = SocketProgress()
        progress.feed(b'[1]\n"x"\n\xff\nno\n{"goaway":true}\n')
        self.assertFalse(progress.reached(Until(0, id=1)))
        self.assertTrue(progress.reached(Until(0, text=b'{"goaway"')))
        self.assertFalse(progress.reached(Until(0, closed=True)))

    def test_keys(self) -> None:
        """Ids of different types are different."""
        self.assertEqual(len({key_of(each) for each in (1, "1", True, 1.0, None)}), 5)

    def test_broken(self) -> None:
        """The id of a reply is found although its data are not JSON, or have a line end of their own."""
        self.assertEqual(id_of(b'{"id":"\xc3\xa4\\"4","code":200,"data":\xff}'), ("str", 'ä"4'))
        self.assertEqual(id_of(b'{"id":-4,"code":200,"data":{'), ("int", -4))
        self.assertIsNone(id_of(b'{"a":\xff}'))
        self.assertIsNone(id_of(b"[1]"))
        progress = SocketProgress()
        progress.feed(b'{"id":1,"more":true,"data":[1,\r 2]}\n')
        self.assertTrue(progress.reached(Until(0, id=1, items=1, whole=False)))

    def test_lines(self) -> None:
        """Lines keep their ends; the incomplete last one is returned."""
        self.assertEqual(lines_of(b"a\n\nb"), ([b"a\n", b"\n"], b"b"))


class HttpProgressTests(SynchronousTestCase):
    def test_responses(self) -> None:
        """The wait ends when each request has its response."""
        progress, wanted = HttpProgress(), Until(0, responses=True)
        progress.sent(b"HEAD / HTTP/1.1\r\n\r\n", 1)
        progress.sent(b"GET / HTTP/1.1\r\n\r\n", 1)
        progress.sent(b"more of it", 0)
        progress.feed(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\n\r\n')
        self.assertFalse(progress.reached(wanted))
        progress.feed(b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: "b"\r\n\r\nx')
        self.assertTrue(progress.reached(wanted))
        self.assertEqual(progress.etag(), b'"b"')

    def test_no_etag(self) -> None:
        """Without an ETag, one is generated that no response has."""
        self.assertEqual(HttpProgress().etag(), b'"none"')
