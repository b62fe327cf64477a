"""An HTTP server that keeps its clients waiting, and counts their connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["SlowHttpServer", "run_http"]


class SlowHttpServer(ThreadingHTTPServer):
    """Replies at once, except to ``/head`` and ``/body``: these wait until the client disconnects.

    :ivar open: the number of open connections.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.open = 0
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open
    server: SlowHttpServer

    def setup(self) -> None:
        super().setup()
        self._count(1)

    def finish(self) -> None:
        self._count(-1)
        super().finish()

    def do_GET(self) -> None:
        if self.path == "/head":
            self._wait_for_end()
        elif self.path == "/body":
            self._send(b"first", 1000)
            self._wait_for_end()
        else:
            self._send(self.path.removeprefix("/").encode())

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""

    def _send(self, body: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _wait_for_end(self) -> None:
        self.close_connection = True
        self.rfile.read(1)

    def _count(self, difference: int) -> None:
        with self.server.lock:
            self.server.open += difference


@contextmanager
def run_http() -> Iterator[SlowHttpServer]:
    """Run a server."""
    with SlowHttpServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
