"""Uploads through a real worker."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Iterator
from typing import Any

from tests.functional.http_stack import HttpTestCase
from tests.functional.raw_http_client import RawHttpConnection

_SIZE = 200_000_000
_PIECE = bytes(range(250)) * 4000  # 1 MB; 250 is no power of two, so that each shift of the content shows
_HEAD = b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\nt\r\n'
_FILE = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a/b"\r\n\r\n'
_END = b"\r\n--b--\r\n"


def pieces() -> Iterator[bytes]:
    """The content."""
    return (_PIECE for _ in range(_SIZE // len(_PIECE)))


def checksum(prefix: bytes = b"") -> int:
    """The checksum of the content."""
    found = zlib.crc32(prefix)
    for each in pieces():
        found = zlib.crc32(each, found)
    return found


class UploadsTests(HttpTestCase):
    """One worker, which has its temporary files in a folder of its own."""

    config = """
[http]
app = "uploading:app"
listen = ["tcp:0:interface=127.0.0.1"]
upload_dir = "uploads"
"""

    def setUp(self) -> None:
        """Serve."""
        super().setUp()
        self.uploads = os.path.join(self.folder, "uploads")
        os.mkdir(self.uploads)
        self.serve()
        self.connection = RawHttpConnection(self.port)
        self.addCleanup(self.connection.close)

    def send_head(self, method: str, path: str, *headers: str) -> None:
        """Send the head of a request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
        self.connection.send("\r\n".join(lines).encode())

    def start_form(self, size: int) -> None:
        """Send the head of a form, and its beginning up to the content of the file."""
        length = len(_HEAD) + len(_FILE) + size + len(_END)
        self.send_head(
            "POST", "/form", "Content-Type: multipart/form-data; boundary=b", f"Content-Length: {length}"
        )
        self.connection.send(_HEAD + _FILE)

    def worker(self) -> Any:
        """What the worker says of itself."""
        return self.fetch("GET", "/worker").data

    def test_large(self) -> None:
        """200 MB arrive unchanged as a file and as a stream, in flat memory; nothing stays on the disk."""
        before = self.worker()
        self.start_form(_SIZE)
        for each in pieces():
            self.connection.send(each)
        self.connection.send(_END)
        found = self.connection.receive()
        self.assertEqual(found.problem(), {"size": _SIZE, "checksum": checksum(b"t")})
        self.send_head("PUT", "/stream", "Transfer-Encoding: chunked")
        for each in pieces():
            self.connection.send(b"%x\r\n%b\r\n" % (len(each), each))
        self.connection.send(b"0\r\n\r\n")
        self.assertEqual(self.connection.receive().problem(), {"size": _SIZE, "checksum": checksum()})
        after = self.worker()
        self.assertEqual((after["pid"], after["unnamed"]), (before["pid"], before["unnamed"]))
        self.assertLess(after["peak"] - before["peak"], 20_000)
        self.assertEqual(os.listdir(self.uploads), [])

    def test_refused_at_the_head(self) -> None:
        """An upload without a token is refused before its body is sent."""
        self.send_head("PUT", "/private", f"Content-Length: {_SIZE}", "Expect: 100-continue")
        found = self.connection.receive()
        self.assertEqual((found.code, found.headers["connection"]), (401, "close"))
        self.assertEqual(self.connection.read_to_end(), b"")

    def test_killed(self) -> None:
        """The temporary file of a worker that is killed disappears with it."""
        pid = self.worker()["pid"]
        self.start_form(_SIZE)
        for each in list(pieces())[:20]:  # more than the buffers on the way take, so some is on the disk
            self.connection.send(each)
        os.kill(pid, signal.SIGKILL)
        self.assertRaises((EOFError, ConnectionResetError), self.connection.receive)
        self.assertEqual(os.listdir(self.uploads), [])
        self.connection = RawHttpConnection(self.port)
        self.addCleanup(self.connection.close)
        self.send_head("PUT", "/stream", "Content-Length: 3")
        self.connection.send(b"abc")
        self.assertEqual(self.connection.receive().problem()["size"], 3)
