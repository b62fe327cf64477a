"""A client that sends the body of a request in pieces, to actions that a test lets go on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import TOKEN, GatewayHarness, RawClient
from tests.unit.rest.multipart.forms import MULTIPART
from unixsvc import UploadFile
from unixsvc.config.http import Http
from unixsvc.domain.request_context import current_request
from unixsvc.routing.route import GET, POST, PUT

__all__ = ["UploadTestCase", "open_files"]


def open_files() -> set[str]:
    """The open files of this process that have no name."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if target.endswith("(deleted)"):
            found.add(target)
    return found


class UploadTestCase(SynchronousTestCase):
    """A test case with actions that take bodies.

    :ivar chunks: what the action of ``/stream`` has read.
    :ivar files: what the action of ``/files`` has got.
    :ivar deadline: of the request, at the end of ``/stream``.
    :ivar failures: what was raised in the actions.
    :ivar gate: awaited by ``/gated`` before and after it reads.
    """

    def setUp(self) -> None:
        """Serve the actions."""
        self.chunks: list[bytes] = []
        self.files: list[UploadFile] = []
        self.failures: list[BaseException] = []
        self.gate: Deferred[None] = Deferred()
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        most = 10_000_000
        self.harness = GatewayHarness(
            PUT("/stream", self.stream, public=True, max_body=most),
            PUT("/private", self.stream, max_body=most),
            PUT("/gated", self.gated, public=True, max_body=most),
            PUT("/unread", self.unread, public=True, max_body=most),
            POST("/files", self.take_files, public=True, max_body=most),
            POST("/waits", self.wait_with_file, public=True, max_body=most),
            PUT("/echo", self.echo, public=True, max_body=most),
            PUT("/shielded", self.stream, public=True, max_body=most, shield=True),
            GET("/hello", self.hello, public=True),
            http=Http(docs=False, upload_dir=self.folder, spool_over=100_000, max_files=5),
        )
        self.clock = self.harness.clock
        self.client = RawClient(self.harness.site)

    async def stream(self, body: AsyncIterator[bytes]) -> int:
        """Reads all."""
        try:
            async for chunk in body:
                self.chunks.append(chunk)
            _, self.deadline = current_request() or (None, 0.0)
        except BaseException as error:
            self.failures.append(error)
            raise
        return sum(map(len, self.chunks))

    async def gated(self, body: AsyncIterator[bytes]) -> int:
        """Waits, reads a chunk, and waits again."""
        await self.gate
        self.chunks.append(await anext(body))
        self.gate = Deferred()
        await self.gate
        return await self.stream(body)

    async def echo(self, body: AsyncIterator[bytes]) -> AsyncIterator[int]:
        """Answers while it reads."""
        async for chunk in body:
            yield len(chunk)

    async def unread(self, body: AsyncIterator[bytes]) -> str:
        """Reads nothing."""
        return "enough"

    async def take_files(
        self, title: str = "", photo: UploadFile | None = None, more: list[UploadFile] | None = None
    ) -> Any:
        """Returns the files."""
        self.files = [*([photo] if photo else []), *(more or [])]
        return [
            title,
            *[[each.filename, (await each.read()).decode()[:10], each.size] for each in self.files],
        ]

    async def wait_with_file(self, photo: UploadFile) -> int:
        """Waits, and reads the file then."""
        self.files = [photo]
        try:
            await self.gate
        except BaseException as error:
            self.failures.append(error)
            raise
        return len(await photo.read())

    async def hello(self) -> str:
        """Returns at once."""
        return "hello"

    def start(self, path: str, *headers: str, length: int | None = None) -> bytes:
        """Send the head of a request; returns what was received."""
        coding = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        method = "POST" if path in ("/files", "/waits") else "PUT"
        return self.client.request(method, path, coding, *headers)

    def send(self, data: bytes) -> bytes:
        """Send a piece of the body; returns what was received."""
        self.client.channel.dataReceived(data)
        return self.client.received()

    def post(self, path: str, body: bytes, content_type: str = MULTIPART) -> bytes:
        """Send a form, the head first; returns what was received."""
        return self.start(path, f"Content-Type: {content_type}", length=len(body)) + self.send(body)

    def code(self, received: bytes) -> int:
        """The status code of a response."""
        return int(received.split(b" ", 2)[1])

    @property
    def reading(self) -> bool:
        """Whether the connection reads."""
        return self.client.transport.reading

    @property
    def authorization(self) -> str:
        """The header with the token."""
        return f"Authorization: Bearer {TOKEN}"
