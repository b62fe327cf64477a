from __future__ import annotations

import gzip

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.compare import Verdict, difference, judge, renamed, view_of
from tests.differential.progress import ReceivedData, Transcript


class CompareTestCase(SynchronousTestCase):
    http = False

    def verdict(
        self, base: bytes, head: bytes, *, end: str = "closed", late: tuple[int, ...] = ()
    ) -> Verdict:
        """Compare two transcripts."""
        left = Transcript((ReceivedData(0, base, "closed", (b"GET", b"GET")),))
        right = Transcript((ReceivedData(0, head, end, (b"GET", b"GET")),), late)
        return judge(view_of(left, http=self.http), view_of(right, http=self.http))


class SocketTests(CompareTestCase):
    def test_equal(self) -> None:
        """Equal bytes are equal."""
        self.assertIs(self.verdict(b'{"id":1}\n', b'{"id":1}\n'), Verdict.EQUAL)

    def test_any_order(self) -> None:
        """Replies with ids may come in any order, also between bare ones."""
        base = b'{"id":1,"a":1}\n{"id":"1"}\n"bare"\n'
        self.assertIs(self.verdict(base, b'"bare"\n{"id":"1"}\n{"id":1,"a":1}\n'), Verdict.EQUAL)

    def test_order(self) -> None:
        """Bare replies, and the items of one stream, are ordered."""
        self.assertIs(self.verdict(b"1\n2\n", b"2\n1\n"), Verdict.DIFFERENT)
        first, second = b'{"id":1,"more":true,"data":1}\n', b'{"id":1,"more":true,"data":2}\n'
        self.assertIs(self.verdict(first + second, second + first), Verdict.DIFFERENT)

    def test_bytes(self) -> None:
        """Equal JSON in other bytes is a difference."""
        self.assertIs(self.verdict(b'{"id":1,"data":1}\n', b'{"id":1,"data": 1}\n'), Verdict.TEXTS)
        self.assertIs(self.verdict(b"1\n", b"1"), Verdict.DIFFERENT)

    def test_texts(self) -> None:
        """A message with another wording is a verdict of its own."""
        base = b'{"id":1,"code":404,"message":"Not found","detail":null}\n'
        self.assertIs(self.verdict(base, base.replace(b"Not found", b"Absent")), Verdict.TEXTS)
        self.assertIs(self.verdict(base, base.replace(b"404", b"400")), Verdict.DIFFERENT)

    def test_end(self) -> None:
        """The end of a connection and the steps that timed out are compared."""
        self.assertIs(self.verdict(b"", b"", end="open"), Verdict.DIFFERENT)
        self.assertIs(self.verdict(b"", b"", late=(3,)), Verdict.DIFFERENT)

    def test_renamed(self) -> None:
        """A name that was changed on purpose is replaced, where it is a whole word."""
        base, head = (
            view_of(Transcript((ReceivedData(0, data, "closed"),)), http=False)
            for data in (b'{"$ref":"Asked","x":"Unasked"}\n', b'{"$ref":"Stats","x":"Unasked"}\n')
        )
        self.assertIs(judge(base, head), Verdict.DIFFERENT)
        self.assertIs(judge(renamed(base, {"Asked": "Stats"}), head), Verdict.EQUAL)
        self.assertEqual(renamed(base, {"sked": "Stats"}), base)

    def test_dropped(self) -> None:
        """Data that was received before a disconnect of the client depends on time."""
        views = [
            view_of(Transcript((ReceivedData(0, data, "dropped"),)), http=False) for data in (b"", b"1\n")
        ]
        self.assertIs(judge(*views), Verdict.EQUAL)

    def test_difference(self) -> None:
        """The excerpt begins near the first difference, also in a long line."""
        views = [
            view_of(Transcript((ReceivedData(0, b"x" * 3000 + each, "closed"),)), http=False)
            for each in (b"a", b"b")
        ]
        text = difference(views[0], views[1])
        self.assertIn("a'", text)
        self.assertLess(len(text), 1000)


class HttpTests(CompareTestCase):
    http = True

    def answer(self, body: bytes, *headers: bytes, code: int = 200) -> bytes:
        """A response."""
        lines = [b"HTTP/1.1 %d X" % code, b"Content-Length: %d" % len(body), *headers]
        return b"\r\n".join([*lines, b"", body])

    def test_normalised(self) -> None:
        """Times and generated ids do not count; with them, the length may differ."""
        base = self.answer(b'{"instance":"urn:unixsvc:request:1-2"}', b"Date: then", b"X-Request-Id: 1-2")
        head = self.answer(b'{"instance":"urn:unixsvc:request:12-34"}', b"Date: now", b"X-Request-Id: 12-34")
        self.assertIs(self.verdict(base, head), Verdict.EQUAL)

    def test_headers(self) -> None:
        """A header that is missing, new, renamed or moved is a difference."""
        base = self.answer(b"a", b"X-A: 1", b"X-B: 2")
        for head in (
            (),
            (b"X-A: 1",),
            (b"X-A: 1", b"X-B: 2", b"X-C: 3"),
            (b"X-B: 2", b"X-A: 1"),
            (b"x-a: 1", b"X-B: 2"),
        ):
            self.assertIs(self.verdict(base, self.answer(b"a", *head)), Verdict.DIFFERENT)

    def test_wrong_length(self) -> None:
        """A Content-Length that does not fit the body is a difference, if both bodies are equal."""
        base = self.answer(b"ab")
        self.assertIs(self.verdict(base, base.replace(b"Length: 2", b"Length: 1")), Verdict.DIFFERENT)

    def test_chunks(self) -> None:
        """The sizes of chunks are not compared; the last chunk is."""
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        base = head + b"2\r\nab\r\n0\r\n\r\n"
        self.assertIs(self.verdict(base, head + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), Verdict.EQUAL)
        self.assertIs(self.verdict(base, head + b"2\r\nab\r\n"), Verdict.DIFFERENT)

    def test_texts(self) -> None:
        """Texts in a body may differ, with the length and the ETag; its structure may not."""
        kind = b"Content-Type: application/problem+json"
        base = self.answer(b'{"title":"Not found","status":404}', kind, b'ETag: "a"', code=404)
        head = self.answer(b'{"title":"Absent","status":404}', kind, b'ETag: "b"', code=404)
        self.assertIs(self.verdict(base, head), Verdict.TEXTS)
        self.assertIs(
            self.verdict(base, self.answer(b'{"title":"Absent"}', kind, b'ETag: "b"', code=404)),
            Verdict.DIFFERENT,
        )

    def test_compressed(self) -> None:
        """Texts are found in compressed bodies, and in lines and events."""
        zipped = (b"Content-Type: application/json", b"Content-Encoding: gzip")
        bodies = [gzip.compress(b'{"description":"%b"}' % each, mtime=0) for each in (b"one", b"another one")]
        self.assertIs(self.verdict(*(self.answer(each, *zipped) for each in bodies)), Verdict.TEXTS)
        events = [b'event: error\ndata: {"title":"%b"}\n\n' % each for each in (b"a", b"b")]
        kind = b"Content-Type: text/event-stream"
        self.assertIs(self.verdict(*(self.answer(each, kind) for each in events)), Verdict.TEXTS)
        lines = [b'1\n{"title":"%b"}\n' % each for each in (b"a", b"b")]
        kind = b"Content-Type: application/jsonl"
        self.assertIs(self.verdict(*(self.answer(each, kind) for each in lines)), Verdict.TEXTS)

    def test_pages(self) -> None:
        """The text between the tags of a page may differ."""
        kind = b"Content-Type: text/html; charset=utf-8"
        pages = [self.answer(b"<p>%b</p>" % each, kind) for each in (b"one", b"two!")]
        self.assertIs(self.verdict(*pages), Verdict.TEXTS)

    def test_head(self) -> None:
        """The Content-Length of HEAD may differ if the body may have other texts."""
        views = []
        for length in (b"5", b"6"):
            data = b"HTTP/1.1 404 X\r\nContent-Length: %b\r\n\r\n" % length
            views.append(view_of(Transcript((ReceivedData(0, data, "closed", (b"HEAD",)),)), http=True))
        self.assertIs(judge(*views), Verdict.TEXTS)
