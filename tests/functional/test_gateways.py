"""Gateways that change while they run: addresses, certificates, and several of them."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

from tests.functional.http_stack import HttpTestCase
from tests.unit.support.certificates import Authority, write_certificate

_TIMEOUT = 30.0  # seconds; only reached if something is broken
_PATIENT = "boot_timeout = 60\n"  # several workers start at the same time


class AddressTests(HttpTestCase):
    """``listen`` changes at a reload."""

    config = f'[http]\napp = "codes:app"\nlisten = ["tcp:0:interface=127.0.0.1", "unix:old.sock"]\n{_PATIENT}'

    def connect_path(self, name: str) -> http.client.HTTPConnection:
        """A persistent connection to a Unix socket of the folder."""
        connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT)
        connection.sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.sock.connect(os.path.join(self.folder, name))
        return connection

    def test_change(self) -> None:
        """The new address is open, the removed one is closed after its connections, the other is the same."""
        running = self.serve()
        kept, open_before = self.connect(), self.connect_path("old.sock")
        for each in kept, open_before:
            self.assertEqual(self.fetch("GET", "/item/7", connection=each).code, 200)
        self.configure(self.config.replace("unix:old.sock", "unix:new.sock"))
        running.signal(signal.SIGHUP)
        running.until("reloaded all services")
        self.assertEqual(self.fetch("GET", "/item/7", connection=self.connect_path("new.sock")).code, 200)
        self.assertEqual(self.fetch("GET", "/item/7", connection=self.connect()).code, 200)
        self.assertEqual(self.fetch("GET", "/item/7", connection=open_before).code, 200)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "old.sock")))
        listens = [each["message"] for each in running.logged("listens on")]
        self.assertEqual(
            listens,
            [
                f"listens on http://127.0.0.1:{self.port}, unix:{self.folder}/{name}.sock"
                for name in ("old", "new")
            ],
        )
        self.assertDone("health")

    def test_failure(self) -> None:
        """If an address cannot be bound, the reload says why, and all is as before."""
        self.serve()
        pids = self.worker_pids("http")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.configure(
                self.config.replace("unix:old.sock", f'unix:new.sock", "tcp:{port}:interface=127.0.0.1')
            )
            outcome = self.command("reload")
        self.assertNotEqual(outcome.code, 0)
        self.assertIn(f"http://127.0.0.1:{port}: cannot be bound: Address already in use", outcome.err)
        self.assertEqual(self.worker_pids("http"), pids)
        self.assertEqual(self.fetch("GET", "/item/7", connection=self.connect_path("old.sock")).code, 200)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "new.sock")))


class CertificateTests(HttpTestCase):
    """Certificates change without a restart, and clients may need one."""

    config = (
        '[http]\napp = "certified:app"\nlisten = '
        '["ssl:0:privateKey=key.pem:certKey=certificate.pem:clientCA=Test CA.pem:interface=127.0.0.1"]\n'
        f"{_PATIENT}"
    )

    def setUp(self) -> None:
        """Make the files."""
        super().setUp()
        write_certificate(self.folder, "first")
        self.client = Authority(self.folder).issue("alice")

    def talk_to(self, *, certificate: bool = True) -> tuple[str, str]:
        """Send a request on a new connection; the name in the certificate of the server, and the response."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(os.path.join(self.folder, "certificate.pem"))
        context.verify_mode = ssl.CERT_OPTIONAL
        if certificate:
            context.load_cert_chain(self.client[1], self.client[0])
        with (
            socket.create_connection(("127.0.0.1", self.port), _TIMEOUT) as plain,
            context.wrap_socket(plain) as secure,
        ):
            found: Any = secure.getpeercert()
            [[[_, name]]] = found["subject"]
            secure.sendall(b"GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with secure.makefile("rb") as file:
                return name, file.read().decode().rpartition("\n")[2]

    def assert_server(self, name: str) -> None:
        """New connections get the certificate with a name, and the client is known by its own."""
        self.assertEqual(self.talk_to(), (name, '{"name":"alice"}'))

    def test_changes(self) -> None:
        """A changed file, and a reload, change the certificate; a broken one leaves it, in one line.

        A client without a certificate gets no response.
        """
        running = self.serve()
        pids = self.worker_pids("http")
        self.assert_server("first")
        self.assertEqual(self.talk_to(certificate=False), ("first", ""))
        self.assertDone("health")
        write_certificate(self.folder, "second")
        running.until("new connections of http get the changed certificate")
        self.assert_server("second")
        self.assertEqual(self.worker_pids("http"), pids)
        path = Path(self.folder, "certificate.pem")
        good = path.read_text()
        path.write_text("broken")
        running.until("the earlier certificate stays in use")
        self.assertNotEqual(self.command("reload").code, 0)
        os.kill(pids[0], signal.SIGKILL)  # its successor has the certificate all the same
        self.eventually(lambda: self.worker_pids("http") not in ([], pids))
        path.write_text(good)
        self.assert_server("second")
        self.assertEqual(len(running.logged("the earlier certificate stays in use")), 1)
        write_certificate(self.folder, "third")
        running.signal(signal.SIGHUP)
        running.until("reloaded all services")
        self.assert_server("third")


class SeveralTests(HttpTestCase):
    """A public and an internal gateway."""

    config = (
        f'[services.codes]\napp = "codes:app"\n{_PATIENT}'
        f'[http.public]\napp = "codes:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\n{_PATIENT}'
        f'[http.internal]\napp = "codes:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\ntoken = "off"\n'
        f'workers = 2\nmounts = {{ "/c" = "codes:/" }}\n{_PATIENT}'
    )

    def test_apart(self) -> None:
        """Each has a pool, an address and a token policy; commands know both by their service names."""
        running = self.start()
        ports = {
            each["namespace"]: int(re.findall(r":(\d+)", each["message"])[0])
            for each in running.logged("listens on")
        }
        self.assertEqual({*ports}, {"http-public", "http-internal"})
        for name, expected in (("http-public", 401), ("http-internal", 200)):
            self.port = ports[name]
            self.assertEqual(self.fetch("GET", "/item/7", token=False).code, expected, name)
        found = self.fetch("GET", "/c/item/7", token=False)
        self.assertEqual(found.code, 200, found)
        self.assertEqual([len(self.worker_pids(each)) for each in ports], [1, 2])
        before = {name: self.worker_pids(name) for name in ports}
        self.assertDone("reload", "http-internal")
        self.assertEqual(self.worker_pids("http-public"), before["http-public"])
        self.assertEqual({*self.worker_pids("http-internal")} & {*before["http-internal"]}, set())
        self.assertDone("scale", "http-public", "2")
        self.assertDone("health", "http-public", "http-internal")
        self.assertIn("http-internal: fine", self.command("check").out)
        self.assertEqual(len(self.worker_pids("http-public")), 2)


class StopTests(HttpTestCase):
    """A gateway that mounts a service, and a stop."""

    config = (
        f'[services.codes]\napp = "codes:app"\n{_PATIENT}'
        f'[http]\nlisten = ["tcp:0:interface=127.0.0.1"]\nmounts = {{ "/c" = "codes:/" }}\n{_PATIENT}'
    )

    def test_mounted_service_stops_last(self) -> None:
        """A request that the gateway gets before a stop reaches the service, also if its end comes later."""
        running = self.serve()
        head = f"GET /c/item/7 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token()}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), _TIMEOUT) as client:
            client.sendall(head.encode())
            # A request after it is served by the same worker: by then it has the first part.
            self.assertEqual(self.fetch("GET", "/-/health").code, 200)
            running.signal(signal.SIGTERM)
            self.eventually(self.is_refused)
            client.sendall(b"\r\n")
            with client.makefile("rb") as file:
                response = file.read().decode()
        self.assertTrue(response.startswith("HTTP/1.1 200 "), response)
        self.assertEqual((running.wait(), running.left()), (0, []))

    def is_refused(self) -> bool:
        """Whether no new client can connect to the gateway."""
        try:
            socket.create_connection(("127.0.0.1", self.port), _TIMEOUT).close()
        except ConnectionError:
            return True
        return False
