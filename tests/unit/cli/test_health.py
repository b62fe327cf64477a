"""``unixsvc health``."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from msgspec import Raw

from tests.unit.cli.command_runner import TOKEN, CommandTestCase, FakeClient, failure, success
from tests.unit.support.certificates import write_certificate
from unixsvc.cli.health.gateway import problem_at
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import ServiceLocation
from unixsvc.errors import ServiceError
from unixsvc.socket_directory import socket_path

_SOCKET = "unixsvc.server.handler:SocketRequestHandler"
_PATH = "/-/health"
_HTTP = "unixsvc.rest.handler:HttpRequestHandler"


def entry(name: str, status: str = "ready", handler: str = _SOCKET, listen: tuple[str, ...] = ()) -> Any:
    """A service, as the orchestrator lists it."""
    return {"name": name, "app": "a:app", "status": status, "handler": handler, "listen": listen}


class ServiceClient(FakeClient):
    """Replies with what the test has for its service."""

    def __init__(self, case: HealthTests, service: str, location: ServiceLocation, retry: bool) -> None:
        super().__init__(case, socket_path(location.socket_dir, service), location, retry)
        self._answer = case.answers.get(service)

    def request(self, call: Call, timeout: float, on_item: Callable[[Raw], object] | None = None) -> Raw:
        """Record a call, and reply."""
        reply = super().request(call, timeout, on_item)
        if isinstance(self._answer, ServiceError):
            raise self._answer
        if isinstance(self._answer, Event):
            self._answer.wait()
        return reply


class HealthTests(CommandTestCase):
    """The orchestrator lists services, and each has an answer of its own.

    :ivar answers: an error, or an event that a service waits for; the others are healthy.
    """

    def setUp(self) -> None:
        """Add the orchestrator."""
        super().setUp()
        self.write("service_orchestrator.sock")
        self.answer = success([entry("home"), entry("user")])
        self.answers: dict[str, ServiceError | Event] = {}

    def client(self, service: str, location: ServiceLocation, retry: bool) -> FakeClient:
        """A client of a service."""
        return ServiceClient(self, service, location, retry)

    def checked(self, path: str = "/-/health") -> list[tuple[str, str | None]]:
        """The services that got a health check, and the token for them."""
        checks = [call for call in self.calls if call.call.path == path]
        return sorted((os.path.basename(each.path), each.token) for each in checks)

    def test_healthy(self) -> None:
        """If all services are healthy, the exit code is 0, and nothing is printed."""
        outcome = self.run_command("health")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "", ""))
        self.assertEqual(self.checked(), [("service_home.sock", TOKEN), ("service_user.sock", TOKEN)])

    def test_verbose(self) -> None:
        """With -v, there is a line for each service."""
        self.assertEqual(self.run_command("health", "-v").out, "home: healthy\nuser: healthy\n")

    def test_socket_directory(self) -> None:
        """Only the socket directory is needed: the orchestrator has the list and the token."""
        os.unlink(self.config)
        os.unlink(os.path.join(self.folder, ".auth_token"))
        self.config = ""
        self.assertEqual(self.run_command("health", "--socket-dir", self.folder).code, 0)
        self.assertEqual(len(self.checked()), 2)

    def test_unhealthy(self) -> None:
        """Each service that is not healthy is a line on standard error, and the exit code is 5."""
        self.answer = success([entry("home", "restarting"), entry("user"), entry("shop")])
        self.answers["user"] = failure(503)
        outcome = self.run_command("health", "-v")
        self.assertEqual((outcome.code, outcome.out), (5, "shop: healthy\n"))
        self.assertEqual(
            outcome.err, "unixsvc: home: is restarting\nunixsvc: user: 503 Service unavailable\n"
        )

    def test_named(self) -> None:
        """Only the named services are checked; another name is an error of usage."""
        self.answers["user"] = failure(503)
        self.assertEqual(self.run_command("health", "home").code, 0)
        self.assertEqual(self.run_command("health", "home", "user").code, 5)
        self.assertError(self.run_command("health", "hom"), 2, "no service 'hom'; there are: home, user")

    def test_late(self) -> None:
        """A service that does not reply in time is unhealthy, and the others are checked all the same."""
        self.answers["home"] = late = Event()
        self.addCleanup(late.set)
        outcome = self.run_command("health", "-v", "--timeout", "0.2")
        self.assertEqual((outcome.code, outcome.out), (5, "user: healthy\n"))
        self.assertEqual(outcome.err, "unixsvc: home: no answer within 0.2 s\n")

    def test_other_handler(self) -> None:
        """Of a service with a handler of its own, the state counts: its protocol is not known."""
        self.answer = success([entry("home", handler="shop:Handler")])
        self.assertEqual(self.run_command("health").code, 0)
        self.assertEqual(self.checked(), [])

    def test_gateway(self) -> None:
        """The gateway is asked at each of its addresses."""
        missing = os.path.join(self.folder, "web.sock")
        self.answer = success([entry("http", handler=_HTTP, listen=(f"unix:{missing}", f"unix:{missing}2"))])
        outcome = self.run_command("health")
        self.assertError(outcome, 5, f"http: unix:{missing}: ", f"; unix:{missing}2: ", "No such file")

    def test_ready(self) -> None:
        """With --ready, ``/-/ready`` is requested, and there is one line for all services."""
        outcome = self.run_command("health", "--ready")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "ready: home, user\n", ""))
        self.assertEqual(len(self.checked("/-/ready")), 2)

    def test_not_ready(self) -> None:
        """One line says which services are not ready, and why: a dependency, a drain, or no details."""
        dependencies = [
            {"name": "shop.Stock", "state": "ok", "seconds": 0, "since": "2026-01-02T03:04:05.000Z"},
            {"name": "service:x", "state": "failed", "seconds": 0, "since": "2026-01-02T03:04:06.000Z"},
        ]
        names = ("home", "user", "shop", "mail")
        self.answer = success([entry(name) for name in names] + [entry("gone", "stopped")])
        self.answers["home"] = failure(503, {"state": "unready", "dependencies": dependencies})
        self.answers["user"] = failure(503, {"state": "draining", "dependencies": dependencies})
        self.answers["shop"] = failure(503, {"state": "unready"})
        outcome = self.run_command("health", "--ready")
        self.assertEqual((outcome.code, outcome.out), (5, ""))
        self.assertEqual(
            outcome.err,
            "unixsvc: not ready: home: service:x is failed since 2026-01-02T03:04:06.000Z; "
            "user: is draining; shop: 503 Service unavailable: state: unready; gone: is stopped\n",
        )

    def test_live(self) -> None:
        """With --live alone, only the orchestrator is asked; with names, these services."""
        outcome = self.run_command("health", "--live")
        self.assertEqual((outcome.code, outcome.out), (0, "live\n"))
        [call] = self.calls
        self.assertEqual(
            (os.path.basename(call.path), call.call.path), ("service_orchestrator.sock", "/-/live")
        )
        self.assertEqual(self.run_command("health", "--live", "user").out, "live: user\n")
        self.assertEqual(self.checked("/-/live")[1:], [("service_user.sock", TOKEN)])

    def test_not_live(self) -> None:
        """An orchestrator that does not answer, or none, is 5 and one line."""
        self.answer = failure(504)
        self.assertError(self.run_command("health", "--live"), 5, "504")
        os.unlink(os.path.join(self.folder, "service_orchestrator.sock"))
        self.assertError(self.run_command("health", "--live"), 5, "there is no service 'orchestrator'")

    def test_not_running(self) -> None:
        """Without an orchestrator there is no health."""
        os.unlink(os.path.join(self.folder, "service_orchestrator.sock"))
        self.assertError(self.run_command("health"), 5, "there is no service 'orchestrator'")

    def test_nonsense(self) -> None:
        """A list that cannot be read is an error."""
        self.answer = success({"home": 1})
        self.assertError(self.run_command("health"), 5, "the list of services cannot be read")


class GatewayTests(CommandTestCase):
    """The health check over HTTP, with a server that sends prepared responses."""

    def serve(self, *responses: str) -> str:
        """Serve each response on a connection of its own; the address."""
        path = os.path.join(self.folder, "web.sock")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        self.requests: list[str] = []

        def run() -> None:
            for response in responses:
                connection = listening.accept()[0]
                with connection:
                    self.requests.append(connection.recv(65536).decode())
                    connection.sendall(response.encode())
            listening.close()

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        return f"unix:{path}"

    def test_healthy(self) -> None:
        """The request has no host name, as any may be configured, and no token."""
        self.assertEqual(
            problem_at(self.serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), _PATH, TOKEN, 60), ""
        )
        [request] = self.requests
        self.assertTrue(request.startswith("GET /-/health HTTP/1.1\r\nHost: \r\n"))
        self.assertNotIn(TOKEN, request)

    def test_token(self) -> None:
        """The token is sent if the gateway demands one."""
        address = self.serve("HTTP/1.1 401 Unauthorized\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(problem_at(address, _PATH, TOKEN, 60), "")
        self.assertIn(f"Authorization: Bearer {TOKEN}\r\n", self.requests[1])

    def test_client_certificate(self) -> None:
        """Where clients need a certificate, only the handshake is checked."""
        folder = self.folder
        key, certificate = write_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        where = "https://{}:{} (client certificate)".format(*listening.getsockname())

        def run() -> None:
            with listening.accept()[0] as plain, contextlib.suppress(ssl.SSLError, OSError):
                context.wrap_socket(plain, server_side=True).close()
            listening.accept()[0].close()

        thread = Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        self.assertEqual(problem_at(where, _PATH, TOKEN, 60), "")
        self.assertIn(where, problem_at(where, _PATH, TOKEN, 60))

    def test_unhealthy(self) -> None:
        """Another status, no response, and one that is not HTTP are problems."""
        responses = ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "", "nonsense\r\n")
        address = self.serve(*responses)
        self.assertEqual(problem_at(address, _PATH, None, 60), f"{address}: 503 Service Unavailable")
        for _ in responses[1:]:
            self.assertTrue(problem_at(address, _PATH, None, 60).startswith(f"{address}: "))
