"""The gateway behind Debian's nginx, with the configuration of ``deploy/nginx``."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.examples.blocks import ROOT
from tests.functional.http_stack import Response
from tests.functional.nginx import Nginx
from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.unit.support.certificates import write_certificate

_TIMEOUT = 60.0  # seconds; only reached if something is broken
_LARGE = 100 * 1024 * 1024
_JSON = {"Content-Type": "application/json"}


class NginxTestCase(OrchestratorTestCase):
    """A test case with a gateway on a Unix socket, and nginx in front of it."""

    config = """
        [http]
        app = "behind_proxy:app"
        listen = ["unix:web.sock"]
        trusted_proxies = ["unix"]
    """

    def proxy(self, changes: Mapping[str, str] | None = None) -> Nginx:
        """Start nginx, with TLS."""
        key, self.certificate = write_certificate(self.folder)
        nginx = self.enterContext(Nginx(f"{self.folder}/web.sock", key, self.certificate, changes))
        self.port = nginx.port
        return nginx

    def connect(self) -> http.client.HTTPSConnection:
        """A persistent connection to nginx."""
        context = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=_TIMEOUT, context=context)
        self.addCleanup(connection.close)
        return connection

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = _JSON,
        connection: http.client.HTTPSConnection | None = None,
    ) -> Response:
        """Send a request through nginx."""
        used = connection or self.connect()
        used.request(method, path, body, dict(headers))
        response = used.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, found, response.read())


class NginxTests(NginxTestCase):
    def test_requests(self) -> None:
        """Connections to the gateway are reused; it knows client, scheme, prefix and request id."""
        self.start()
        nginx = self.proxy()
        self.assertNotIn("warn", nginx.check())
        for _ in range(50):  # each on a new connection to nginx
            seen = self.request("GET", "/api/seen").data
        self.assertEqual(
            seen, {"connections": 1, "client": "127.0.0.1", "url": f"https://localhost:{self.port}/seen"}
        )
        forged = {"X-Forwarded-For": "203.0.113.9", "X-Request-Id": "forged"}
        meta = self.request("GET", "/api/meta", headers=forged)
        self.assertEqual(
            meta.data, {"client_address": "127.0.0.1", "request_id": meta.headers["x-request-id"]}
        )
        self.assertNotIn("forged", meta.data["request_id"])
        created = self.request("POST", "/api/things", b'{"text": "abc"}')
        where = f"https://localhost:{self.port}/api/things/7"
        self.assertEqual((created.code, created.data, created.headers["location"]), (201, 3, where))
        self.assertEqual(self.request("GET", "/health").data["state"], "ready")
        [server] = self.request("GET", "/api/openapi.json").data["servers"]
        self.assertEqual(server["url"], ".")
        forged = {"X-Forwarded-Host": "admin.example", "Forwarded": "for=203.0.113.9;host=admin.example"}
        self.assertEqual(self.request("GET", "/api/forwarded", headers=forged).data, ["For", "Proto"])
        self.check_no_host()
        self.check_redirect(nginx.redirects)
        self.check_http2()

    def check_no_host(self) -> None:
        """A client need not send ``Host``, as with HTTP/1.0; with HTTP/3, nginx passes none on."""
        context = ssl.create_default_context(cafile=self.certificate)
        with (
            socket.create_connection(("127.0.0.1", self.port), _TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(b"GET /api/seen HTTP/1.0\r\n\r\n")
            response = client.makefile("rb").read()
        self.assertIn(f"https://shop.example:{self.port}/seen".encode(), response)

    def check_redirect(self, path: str) -> None:
        """HTTP without TLS is redirected, with its method."""
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(path)
            plain.sendall(b"POST /api/things?a=1 HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            head = plain.makefile("rb").read()
        self.assertIn(b" 308 ", head)
        self.assertIn(b"Location: https://shop.example/api/things?a=1\r\n", head)

    def check_http2(self) -> None:
        """Clients may use HTTP/2."""
        url = f"https://localhost:{self.port}/api/meta"
        for option, expected in (("--http2", "2"), ("--http1.1", "1.1")):
            command = ["curl", "-s", option, "--cacert", self.certificate, "-w", " %{http_version}", url]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
            self.assertEqual(done.stdout.split()[-1], expected)

    def test_stream(self) -> None:
        """Items of a stream arrive one by one, as server-sent events and as JSON lines."""
        self.start()
        self.proxy()
        for accept, prefix in (("text/event-stream", b"data: "), ("*/*", b"")):
            connection = self.connect()
            connection.request("GET", "/api/items", headers={"Accept": accept})
            response = connection.getresponse()
            for number in range(3):
                if number:
                    self.assertEqual(self.request("GET", "/api/open").data, 1)
                line = response.readline()
                while line == b"\n":
                    line = response.readline()
                self.assertEqual(line, prefix + b"%d\n" % number)
            self.assertEqual(response.read().strip(), b"")

    def test_disconnect(self) -> None:
        """A request is cancelled when its client disconnects from nginx."""
        self.start()
        self.proxy()
        connection = self.connect()
        connection.request("GET", "/api/wait")
        self.eventually(lambda: self.request("GET", "/api/pending").data["waiting"] == 1)
        connection.close()
        self.eventually(lambda: self.request("GET", "/api/pending").data["cancelled"] == 1)

    def test_reload(self) -> None:
        """While the gateway is reloaded, no request fails, and nginx has to repeat none."""
        self.start()
        nginx = self.proxy()
        stop = threading.Event()
        codes: Counter[Any] = Counter()
        clients = [threading.Thread(target=self.send_until, args=(stop, codes)) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for _ in range(2):
                before = codes.total()
                self.assertDone("reload")
                # mypy cannot infer the type of a lambda with a default.
                self.eventually(lambda before=before: codes.total() > before + 100)  # type: ignore[misc]
        finally:
            stop.set()
            for client in clients:
                client.join(_TIMEOUT)
        self.assertEqual(set(codes), {("GET", 200), ("POST", 201)}, codes)
        self.assertEqual([each for each in nginx.errors if "[error]" in each], [])

    def send_until(self, stop: threading.Event, codes: Counter[Any]) -> None:
        """Send requests on one connection, and count their outcomes."""
        connection = self.connect()
        try:
            for number in itertools.count():
                if stop.wait(0.005):  # leave the workers some processor time
                    break
                if number % 2:
                    found = self.request("POST", "/api/things", b'{"text": ""}', connection=connection)
                    codes["POST", found.code] += 1
                else:
                    codes["GET", self.request("GET", "/api/pending", connection=connection).code] += 1
        except Exception as error:
            codes[repr(error)] += 1


class UploadTests(NginxTestCase):
    """Files of forms through nginx."""

    def test_upload(self) -> None:
        """A file of 100 MB arrives whole, with the body buffered by nginx or not, and in little memory."""
        self.start()
        path = Path(self.folder, "photo")
        with path.open("wb") as file:
            for number in range(100):
                file.write(bytes([number]) * (1024 * 1024))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        peaks = []
        for buffering in ("on", "off"):
            self.proxy(
                {
                    "client_max_body_size 1048576;": "client_max_body_size 200m;",
                    "proxy_request_buffering on;": f"proxy_request_buffering {buffering};",
                }
            )
            url = f"https://localhost:{self.port}/api/upload"
            command = ["curl", "-s", "--cacert", self.certificate, "-F", f"photo=@{path}", url]
            done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=True)
            found = json.loads(done.stdout)
            self.assertEqual((found["size"], found["sha256"]), (_LARGE, digest))
            peaks.append(found["peak"])
        self.assertLess(max(peaks), 100 * 1024)  # KiB; most of it is the interpreter with its modules


class LargePathTests(NginxTestCase):
    config = NginxTestCase.config + f"max_message_bytes = {_LARGE}\n"

    def test_one_path(self) -> None:
        """With the location of the page, large bodies are allowed below its path only."""
        self.start()
        page = ROOT.joinpath("docs", "how-to", "nginx.rst").read_text()
        location = page.partition("    location /api/things {")
        recipe = location[1] + location[2].partition("}")[0] + "}\n"
        self.proxy({"    location /api/ {": recipe + "    location /api/ {"})
        body = b'{"text": "%b"}' % (b"a" * 2_000_000)
        self.assertEqual(self.request("POST", "/api/things", body).data, 2_000_000)
        self.assertEqual(self.request("POST", "/api/other", body).code, 413)


class LargeBodyTests(NginxTestCase):
    config = NginxTestCase.config + f"max_message_bytes = {_LARGE}\n"

    def test_large_body(self) -> None:
        """A body of 100 MB arrives whole; a larger one is 413, from nginx or else from the gateway."""
        self.start()
        documented = "client_max_body_size 1048576;"
        body = b'{"text": "%b"}' % (b"a" * (_LARGE - len('{"text": ""}')))
        self.proxy({documented: f"client_max_body_size {_LARGE};"})
        self.assertEqual(self.request("POST", "/api/things", body).data, _LARGE - len('{"text": ""}'))
        self.assertEqual(self.request("POST", "/api/things", body + b" ").code, 413)
        self.proxy({documented: "client_max_body_size 0;"})
        refused = self.request("POST", "/api/things", body + b" ")
        self.assertEqual((refused.code, refused.data["max_message_bytes"]), (413, _LARGE))
        self.assertEqual(self.request("POST", "/api/things", b'{"text": ""}').data, 0)
