"""Users and mounts: who passes, and what the mounted service learns."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.security.users_app import User, at_once, key, whoami
from unixsvc import GET, ApiKey, App, Forwarded, ForwardedUser, Request
from unixsvc.authentication.authenticator import Authenticator
from unixsvc.config.access import AccessRule
from unixsvc.datasource.gated import GatedDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain.action_runner import PlainRunner
from unixsvc.domain.idempotency_key import with_own_key
from unixsvc.domain.message import Caller, Grant, Reply
from unixsvc.domain.message import Request as Message
from unixsvc.domain.request_extras import RequestExtras
from unixsvc.errors import Forbidden, Unauthorized
from unixsvc.routing.container import ServiceContainer
from unixsvc.security.access_rules import AccessPolicy
from unixsvc.security.user_gate import UserGates
from unixsvc.testing import MemoryHttp, MemoryService


def named(forwarded: Forwarded) -> User:
    """The user of a forwarded name."""
    return User(f"{forwarded.scheme}/{forwarded.subject}")


def meta(request: Request) -> dict[str, str]:
    """What a mounted service gets."""
    return request.meta


STOCK = App(
    [GET("/stock/me", whoami), GET("/stock/meta", meta, public=True)], authenticate=ForwardedUser(named)
)


class MountedUsersTests(SynchronousTestCase):
    def test_default(self) -> None:
        """A user does not pass a mount, and a token does; the service gets the name of its user."""
        stock = MemoryService(STOCK)
        app = App([GET("/me", whoami)], authenticate=ApiKey(at_once))
        for token, code in ((None, 403), ("0" * 64, 200)):
            http = MemoryHttp(app, mounts={"/stock": "stock"}, services={"stock": stock}, token=token)
            response = self.successResultOf(http.get("/stock/me", headers=key("ada")))
            self.assertEqual(response.status_code, code, response.text)
            self.assertEqual(self.successResultOf(http.get("/me", headers=key("ada"))).status_code, 200)
        self.assertRegex(str(response.json()), "^api_key/[0-9a-f]{32}$")
        found = self.successResultOf(http.get("/stock/me"))
        self.assertEqual(found.status_code, 401)  # a token, and no user

    def test_forged(self) -> None:
        """A client cannot name the user, in no way in which it reaches ``meta``."""
        forged = Message("GET", "/", meta={"user": "user:session:root", "x": "1"})
        self.assertEqual(with_own_key(forged), {"x": "1"})
        extras = RequestExtras(user_name="user:session:ada")
        known = Message("GET", "/", meta={"user": "user:session:root"}, extras=extras)
        self.assertEqual(with_own_key(known), {"user": "user:session:ada"})
        http = MemoryHttp(App([]), mounts={"/stock": "stock"}, services={"stock": MemoryService(STOCK)})
        found: Any = self.successResultOf(
            http.get("/stock/meta", headers={"user": "user:session:root"})
        ).json()
        self.assertNotIn("user", found)


class _Datasource:
    """Notes requests."""

    def __init__(self) -> None:
        self.requests: list[Message] = []

    def handle(self, request: Message) -> Reply:
        """Note a request."""
        self.requests.append(request)
        return Reply()


class _Router:
    runner = PlainRunner()


class GateTests(SynchronousTestCase):
    def make(self, **rule: Any) -> Any:
        """A mount behind a gate, with one rule for the gateway; without fields there is none."""
        container = ServiceContainer({})
        policy = AccessPolicy({"a": AccessRule(services=("http",), **rule)}) if rule else None
        gates = UserGates(Authenticator([ApiKey(at_once)], container.open), policy, "scopes", container.open)
        gate = gates.for_mount("/stock")
        assert gate is not None
        self.source = _Datasource()
        gated = GatedDatasource(self.source, gate, _Router())  # type: ignore[arg-type]  # what it uses of one
        return RouterRepository(gated).datasource_for

    def ask(self, datasource_for: Any, user: str = "", caller: Caller | None = None) -> None:
        """Make a request."""
        fields = {b"X-Api-Key": [user.encode()]} if user else {}
        request = Message("GET", "/stock/a", headers=fields, caller=caller or Caller())
        datasource_for(request).handle(request)

    def test_rule(self) -> None:
        """A rule lets the user pass that it names, at its routes, and the mount learns the user's name."""
        ask = self.make(user={"name": "ada"}, routes=("/stock/{rest:path}",))
        self.ask(ask, "ada")
        self.assertEqual(self.source.requests[0].user, User("ada"))
        self.assertTrue(self.source.requests[0].user_name.startswith("user:api_key:"))
        self.assertRaises(Forbidden, self.ask, ask, "bob")
        self.assertRaises(Unauthorized, self.ask, ask)
        self.assertRaises(Forbidden, self.ask, self.make(user={}, routes=("/other",)), "ada")

    def test_anyone(self) -> None:
        """A rule for everyone opens no mount."""
        ask = self.make(anyone=True)
        self.assertRaises(Unauthorized, self.ask, ask)
        self.assertRaises(Forbidden, self.ask, ask, "ada")

    def test_token(self) -> None:
        """A caller with a token passes, unless the rules are for users only."""
        trusted = Caller(trusted=True, grant=Grant("billing"))
        self.ask(self.make(), caller=trusted)
        self.ask(self.make(tokens=("billing",)), caller=trusted)
        self.assertRaises(Unauthorized, self.ask, self.make(user={}), caller=trusted)
        self.assertRaises(Forbidden, self.ask, self.make(tokens=("default",)), caller=trusted)
