"""Changes of the valid tokens of a service that runs, with real connections in memory."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, App
from unixsvc.config.settings import Limits, Log, Security, ServiceSettings
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.security.access import AcceptedToken, digest_of
from unixsvc.service.factory import make_service_host
from unixsvc.service.spec import WorkerConfig
from unixsvc.testing import MemoryEndpoint
from unixsvc.testing.memory import ImmediateRunner, MemoryTransport

TOKEN, OTHER, BILLING = "ab" * 32, "cd" * 32, "ef" * 32
GOAWAY = {"goaway": True}


def named(*routes: str) -> AcceptedToken:
    """The token ``billing``."""
    return AcceptedToken("billing", digest_of(BILLING), ("shop",), routes)


def hello() -> str:
    """An action."""
    return "hello"


class Connection:
    """A client's connection."""

    def __init__(self, endpoint: MemoryEndpoint) -> None:
        self._protocol, transport = endpoint.connect()
        self._transport: MemoryTransport = transport
        self._count = 0

    def call(self, token: str | None = None, path: str = "/") -> Any:
        """Send a request; the code of its reply, or the detail of its error."""
        self._count += 1
        message = {"id": self._count, "path": path} | ({} if token is None else {"auth_token": token})
        self._protocol.dataReceived(json.dumps(message).encode() + b"\n")
        [reply] = self.received()
        return reply.get("detail", reply["code"])

    def received(self) -> list[Any]:
        """The messages since the last call."""
        return self._transport.lines()


class SetTokensTests(SynchronousTestCase):
    """One service, and several connections to it."""

    def setUp(self) -> None:
        """Serve."""
        config = WorkerConfig(
            "shop", 1, ".", ServiceSettings("shop:app"), Limits(), Security(), Log(), TOKEN,
            tokens=(named(),),
        )  # fmt: skip
        self.endpoint = MemoryEndpoint()
        app = App([GET("/", hello), GET("/b", hello)])
        making = make_service_host(config, app, self.endpoint, Clock(), blocking=ImmediateRunner())
        self.host = run_without_waiting(making)
        self.host.listen(probe=False)

    def connect(self, token: str) -> Connection:
        """A connection that a token has authenticated."""
        connection = Connection(self.endpoint)
        self.assertEqual(connection.call(token), 200)
        self.assertEqual(connection.call(), 200)
        return connection

    def test_revoked(self) -> None:
        """A connection whose token is revoked gets goaway and has no trust; the others notice nothing."""
        revoked, other = self.connect(BILLING), self.connect(TOKEN)
        self.host.set_tokens(TOKEN, ())
        self.assertEqual((revoked.received(), other.received()), ([GOAWAY], []))
        self.assertEqual(revoked.call(), "auth_token is missing")
        self.assertEqual(revoked.call(BILLING), "auth_token is wrong")
        self.assertEqual(other.call(), 200)
        self.assertEqual(Connection(self.endpoint).call(BILLING), "auth_token is wrong")

    def test_rotated(self) -> None:
        """During the overlap a connection with the old token gets goaway, and is still served."""
        old = self.connect(TOKEN)
        previous = AcceptedToken("default", digest_of(TOKEN))
        self.host.set_tokens(OTHER, (previous,))
        self.assertEqual(old.received(), [GOAWAY])
        self.assertEqual(old.call(), 200)
        new = self.connect(OTHER)
        self.host.set_tokens(OTHER, ())
        self.assertEqual(old.call(), "auth_token is missing")
        self.assertEqual((new.received(), new.call()), ([], 200))

    def test_limited(self) -> None:
        """The routes of a token can be changed; an open connection has the new ones at its next request."""
        limited = Connection(self.endpoint)
        self.host.set_tokens(TOKEN, (named("GET /"),))
        self.assertEqual(limited.call(BILLING), 200)
        self.host.set_tokens(TOKEN, (named("GET /b"),))
        self.assertIn("may not call this route", limited.call())
        self.assertEqual(limited.call(path="/b"), 200)

    def test_less(self) -> None:
        """A connection whose token may call less than before has to be checked again."""
        connection = self.connect(BILLING)
        self.host.set_tokens(TOKEN, (named("GET /b"),))
        self.assertIn("may not call this route", connection.call())
        self.assertEqual(connection.call(path="/b"), 200)

    def test_own_calls(self) -> None:
        """Calls to other services have the new token from then on."""
        clients = self.host._core.clients
        before = clients._client("till")
        self.host.set_tokens(OTHER, ())
        self.assertEqual((clients._token, before._finder.find().token), (OTHER, OTHER))

    def test_before_listening(self) -> None:
        """Tokens that arrive during the health check, which has the old one, are set after it."""
        config = WorkerConfig("shop", 1, ".", ServiceSettings("shop:app"), Limits(), Security(), Log(), TOKEN)
        app = App([GET("/", hello)])
        making = make_service_host(config, app, self.endpoint, Clock(), blocking=ImmediateRunner())
        host = run_without_waiting(making)
        host.set_tokens(OTHER, ())
        self.successResultOf(host.listen(probe=False))
        self.assertEqual(Connection(self.endpoint).call(TOKEN), "auth_token is wrong")
        self.assertEqual(Connection(self.endpoint).call(OTHER), 200)
