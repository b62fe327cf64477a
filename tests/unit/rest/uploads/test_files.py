"""Tests of forms with files, from the bytes of a request to the arguments of an action."""

from __future__ import annotations

import os
import shutil

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.unit.rest.http_requests import header_values
from tests.unit.rest.multipart.forms import BOUNDARY, MALFORMED, MULTIPART, file, form, text
from tests.unit.rest.uploads.upload_client import UploadTestCase, open_files
from unixsvc.domain.json import Json
from unixsvc.errors import Cancelled

_BIG = b"0123456789" * 20_000  # more than spool_over


class FilesTestCase(UploadTestCase):
    """A test case that sends forms."""

    def write(self) -> None:
        """Do what waits for a thread, until nothing does."""
        runner = self.harness.serving.runner
        while runner.waiting:
            runner.call_next()

    def result(self, *parts: bytes) -> Json:
        """The result of the action for a form."""
        return self.body(self.post("/files", form(*parts)))

    def body(self, received: bytes) -> Json:
        """The decoded body of a response, which may wait for threads."""
        self.write()
        received += self.client.received()
        return msgspec.json.decode(received.partition(b"\r\n\r\n")[2])

    def errors(self, *parts: bytes) -> list[tuple[str, str]]:
        """The errors by field."""
        found = self.result(*parts)
        self.assertEqual(found["status"], 422)
        return [(each["field"], each["message"]) for each in found["errors"]]


class FormTests(FilesTestCase):
    """What the action gets."""

    def test_files_and_text(self) -> None:
        """Fields of text and files come together, in any order, and files of one field in theirs."""
        found = self.result(
            file("more", "1.txt", b"one"),
            text("title", "Ä & b=c".encode()),
            file("photo", "../p.png", b"png"),
            file("more", "2.txt", b""),
        )
        self.assertEqual(found, ["Ä & b=c", ["p.png", "png", 3], ["1.txt", "one", 3], ["2.txt", "", 0]])

    def test_at_once(self) -> None:
        """A form that comes with its head is the same."""
        body = form(file("photo", "p", b"x"))
        received = self.client.request("POST", "/files", f"Content-Type: {MULTIPART}", body=body)
        self.assertEqual(self.body(received), ["", ["p", "x", 1]])

    def test_type_and_headers(self) -> None:
        """A file has the headers of its part."""
        self.result(file("photo", "p", b"x", b"Content-Type: image/png", b"X-A: b"))
        self.assertEqual(self.files[0].content_type, "image/png")
        self.assertEqual(self.files[0].headers["x-a"], "b")

    def test_nothing_chosen(self) -> None:
        """A file input for which no file was chosen counts as absent, as does an empty text in its place."""
        self.assertEqual(self.result(file("photo", "", b""), file("more", "", b"")), [""])
        self.assertEqual(self.result(text("photo", b"")), [""])

    def test_no_name(self) -> None:
        """A file with content and without a name is a file."""
        self.assertEqual(self.result(file("photo", "", b"x")), ["", ["file", "x", 1]])

    def test_urlencoded(self) -> None:
        """A form without files may be urlencoded."""
        found = self.post("/files", b"title=a+b", "application/x-www-form-urlencoded")
        self.assertEqual(self.body(found), ["a b"])

    def test_any_segments(self) -> None:
        """The result does not depend on the segments of the connection."""
        body = form(file("photo", "p", b"\r\n--" + BOUNDARY[:-1]), text("title", b"t"))
        expected = self.body(self.post("/files", body))
        for size in (1, 2, 7, 50):
            self.start("/files", f"Content-Type: {MULTIPART}", length=len(body))
            for at in range(0, len(body), size):
                found = self.send(body[at : at + size])
            self.assertEqual(self.body(found), expected)


class RefusedTests(FilesTestCase):
    """Forms that do not fit the action."""

    def test_required(self) -> None:
        """A file that is missing is named."""
        found = self.body(self.post("/waits", form()))
        self.assertEqual(found["errors"], [{"field": "photo", "message": "is required"}])

    def test_unknown_file(self) -> None:
        """A file for a field that takes none is refused as soon as its head is there."""
        self.start("/files", f"Content-Type: {MULTIPART}", length=1_000_000)
        found = self.send(b"--" + BOUNDARY + b"\r\n" + file("title", "t", b"x"))
        self.assertEqual(
            self.body(found)["errors"][0]["message"], "is a file; files are accepted as photo, more"
        )
        self.assertEqual(header_values(found, b"Connection"), [b"close"])

    def test_text_for_a_file(self) -> None:
        """Text for a field that takes a file is refused."""
        self.assertEqual(self.errors(text("photo", b"x")), [("photo", "is text; a file is expected")])

    def test_too_many(self) -> None:
        """Two files for a parameter that is one, and too many in all, are refused."""
        two = [file("photo", "a", b""), file("photo", "b", b"")]
        self.assertEqual(self.errors(*two), [("photo", "has more than 1 file")])
        self.setUp()
        found = self.result(*[file("more", "a", b"")] * 6)
        self.assertEqual(found["detail"], "body: the form has more than 5 files")

    def test_malformed(self) -> None:
        """A form that is malformed is 400, and the connection is closed unless all of it was received."""
        for each in MALFORMED:
            if each.body:
                self.setUp()
                self.assertEqual(self.code(self.post("/files", each.body)), 400, each.why)

    def test_malformed_end(self) -> None:
        """A form that is malformed behind a file on the disk is 400, and the file was removed."""
        before = open_files()
        found = self.post("/files", form(file("photo", "p", _BIG))[:-4])
        self.write()
        self.assertEqual(self.code(found + self.client.received()), 400)
        self.assertEqual(open_files(), before)

    def test_text_is_bounded(self) -> None:
        """Text stays in memory, so all of it together is limited by ``max_message_bytes``."""
        self.assertEqual(self.result(*[text("title", b"x" * 300_000)] * 4)["status"], 413)

    def test_other_types(self) -> None:
        """Another media type is 415; compression and other charsets as well."""
        for headers in (
            ["Content-Type: application/json"],
            ["Content-Type: text/plain"],
            ["Content-Type: multipart/mixed; boundary=a"],
            ["Content-Type: multipart/form-datax; boundary=a"],
            ["Content-Type: multipart/form-data; boundary=a; charset=latin1"],
            ["Content-Encoding: gzip", f"Content-Type: {MULTIPART}"],
        ):
            self.setUp()
            self.assertEqual(self.code(self.start("/files", *headers, length=10)), 415, headers)


class SpoolTests(FilesTestCase):
    """Where files are."""

    def test_in_memory(self) -> None:
        """Small files stay in memory, which is counted until the response."""
        before = open_files()
        self.post("/waits", form(file("photo", "p", b"x" * 50_000)))
        self.assertEqual(open_files(), before)
        self.assertGreaterEqual(self.client.channel.client.counted, 50_000)
        self.gate.callback(None)
        self.assertEqual(self.body(b""), 50_000)
        self.assertEqual(self.client.channel.client.counted, 0)

    def test_on_disk(self) -> None:
        """Larger ones are in one file without a name, in ``upload_dir``, and no longer in memory."""
        before = open_files()
        self.start("/files", f"Content-Type: {MULTIPART}", length=10_000_000)
        self.send(form(file("photo", "p", _BIG), file("more", "q", _BIG))[:-100])
        self.write()
        [path] = open_files() - before
        self.assertIn(os.path.realpath(self.folder), path)
        self.assertEqual(os.listdir(self.folder), [])
        self.assertLess(self.client.channel.client.counted, 2000)

    def test_read(self) -> None:
        """Files in memory and on the disk are read in the same way, each from its place."""
        small, large = b"s" * 60_000, b"l" * 150_000
        parts = [file("more", "1", small), file("more", "2", large), file("more", "3", small)]
        found = self.result(*parts)
        self.assertEqual(
            found[1:], [["1", "s" * 10, 60_000], ["2", "l" * 10, 150_000], ["3", "s" * 10, 60_000]]
        )

    def test_contents(self) -> None:
        """While the request lasts, a file can be read as a file object, in portions, and saved."""
        self.post("/waits", form(file("photo", "p", _BIG)))
        self.write()
        [photo] = self.files
        with photo.file as opened:
            self.assertEqual(opened.read(10), b"0123456789")
            opened.seek(-3, os.SEEK_END)
            self.assertEqual((opened.read(), opened.read(), opened.tell()), (b"789", b"", len(_BIG)))
            opened.seek(0)
            self.assertEqual(opened.read(), _BIG)
            self.assertRaises(ValueError, opened.seek, -1)
        target = self.mktemp()
        saved: Deferred[None] = Deferred.fromCoroutine(photo.save(target))
        self.write()
        self.successResultOf(saved)
        with open(target, "rb") as copy:
            self.assertEqual(copy.read(), _BIG)
        self.assertFalse([each for each in os.listdir(os.path.dirname(target)) if each.endswith(".part")])

    def test_closed(self) -> None:
        """After the response the temporary file was removed, and the action's files are closed."""
        before = open_files()
        self.result(file("photo", "p", _BIG))
        self.assertEqual(open_files(), before)
        with self.assertRaisesRegex(ValueError, "request has ended"):
            self.files[0].file.read()

    def test_closed_while_a_thread_reads(self) -> None:
        """A thread that uses the file when its request ends can end that: its descriptor stays what it is."""
        before = open_files()
        self.post("/waits", form(file("photo", "p", _BIG)))
        self.write()
        store = self.files[0]._content._store  # type: ignore[attr-defined]  # of a spooled file
        with store.use() as fd:
            self.client.channel.connectionLost(Failure(ConnectionDone()))
            self.assertEqual(os.pread(fd, 10, 0), b"0123456789")
            self.assertNotEqual(open_files(), before)
        self.assertEqual(open_files(), before)

    def test_disconnect_while_it_arrives(self) -> None:
        """A client that disconnects in the middle of a form leaves nothing."""
        before = open_files()
        self.start("/files", f"Content-Type: {MULTIPART}", length=10_000_000)
        self.send(form(file("photo", "p", _BIG))[:-100])
        self.write()
        self.assertNotEqual(open_files(), before)
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(open_files(), before)
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_disconnect_while_the_action_runs(self) -> None:
        """The same while the action runs, which is cancelled."""
        before = open_files()
        self.post("/waits", form(file("photo", "p", _BIG)))
        self.write()
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.failures[0], Cancelled)
        self.assertEqual(open_files(), before)

    def test_disconnect_while_a_thread_writes(self) -> None:
        """The same while bytes wait for a thread that writes them."""
        before = open_files()
        self.start("/files", f"Content-Type: {MULTIPART}", length=10_000_000)
        self.send(form(file("photo", "p", _BIG))[:-100])
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        runner = self.harness.serving.runner
        function, _ = runner.waiting.pop()
        self.assertRaises(ValueError, function)
        self.assertEqual(open_files(), before)

    def test_flow_control(self) -> None:
        """While the disk is slower than the client, the connection stops to read."""
        self.start("/files", f"Content-Type: {MULTIPART}", length=10_000_000)
        self.send(form(file("photo", "p", b"x" * 200_000))[:-100])
        self.send(b"x" * 300_000)
        self.assertFalse(self.reading)
        self.write()
        self.assertTrue(self.reading)

    def test_full_disk(self) -> None:
        """A file that cannot be written is 503, and the reason is in the log."""
        shutil.rmtree(self.folder)
        self.start("/files", f"Content-Type: {MULTIPART}", length=10_000_000)
        self.send(form(file("photo", "p", _BIG))[:-100])
        self.write()
        self.assertEqual(self.code(self.client.received()), 503)
