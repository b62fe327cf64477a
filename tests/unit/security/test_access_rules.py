"""The rules of the tables [access.NAME]."""

from __future__ import annotations

import enum
from typing import Any

from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.access import AccessRule
from unixsvc.domain.message import Caller, Grant, Peer, Request
from unixsvc.errors import ConfigError
from unixsvc.security.access_rules import AccessPolicy


class Role(enum.Enum):
    """A role as an enum."""

    ADMIN = "admin"


class User(Struct):
    """A user with claims of several kinds."""

    role: object = ""
    scopes: tuple[str, ...] = ()
    staff: object = False


def allows(rule: AccessRule, request: Request | None = None, user: object = None) -> bool:
    """Whether one rule allows a request."""
    return AccessPolicy({"a": rule}).allows(request or Request("GET", "/a"), user)


def rule(**fields: Any) -> AccessRule:
    """A rule for the service."""
    return AccessRule(services=("shop",), **fields)


class AccessRulesTests(SynchronousTestCase):
    def test_uids(self) -> None:
        """A rule allows the processes of its users, and no caller without a uid."""
        for uid, allowed in ((7, True), (8, False), (None, False)):
            request = Request("GET", "/a", caller=Caller(Peer(uid)))
            self.assertEqual(allows(rule(uids=(7,)), request), allowed)

    def test_tokens(self) -> None:
        """A rule allows the tokens that it names."""
        for grant, allowed in ((Grant("billing"), True), (Grant("default"), False), (None, False)):
            request = Request("GET", "/a", caller=Caller(grant=grant))
            self.assertEqual(allows(rule(tokens=("billing",)), request), allowed)

    def test_users(self) -> None:
        """A claim is an attribute or an item; it has one of the values, or contains one, of the same type."""
        for claims, user, allowed in (
            ({}, User(), True),
            ({}, None, False),
            ({"role": "admin"}, User("admin"), True),
            ({"role": "admin"}, User(Role.ADMIN), True),
            ({"role": "admin"}, {"role": "admin"}, True),
            ({"role": "admin"}, User("administrator"), False),
            ({"role": ("admin", "root")}, User("root"), True),
            ({"scopes": "read"}, User(scopes=("write", "read")), True),
            ({"scopes": "read"}, User(scopes=("readers",)), False),
            ({"staff": True}, User(staff=True), True),
            ({"staff": True}, User(staff=1), False),
            ({"staff": True}, User(staff="true"), False),
            ({"role": "admin", "staff": True}, User("admin"), False),
            ({"missing": "x"}, User(), False),
            ({"missing": "x"}, {}, False),
        ):
            self.assertEqual(allows(rule(user=claims), user=user), allowed, (claims, user))

    def test_routes(self) -> None:
        """A rule with routes allows these only, and none that another server could read differently."""
        found = rule(anyone=True, routes=("GET /a/{id:int}", "/b/{rest:path}"))
        for method, path, allowed in (
            ("GET", "/a/7", True),
            ("HEAD", "/a/7", True),
            ("POST", "/a/7", False),
            ("GET", "/a/x", False),
            ("DELETE", "/b/x/y", True),
            ("GET", "/b/../a", False),
            ("GET", "/b/%2e%2e/a", False),
            ("GET", "/c", False),
        ):
            self.assertEqual(allows(found, Request(method, path)), allowed, (method, path))
        with self.assertRaisesRegex(ConfigError, r"access\.a\.routes"):
            AccessPolicy({"a": rule(anyone=True, routes=("GET a",))})

    def test_all_and_any(self) -> None:
        """A rule demands all that it has; several rules are alternatives."""
        both = rule(uids=(7,), tokens=("billing",))
        process, token = Caller(Peer(7)), Caller(grant=Grant("billing"))
        whole = Caller(Peer(7), grant=Grant("billing"))
        for caller, allowed in ((process, False), (token, False), (whole, True)):
            self.assertEqual(allows(both, Request("GET", "/a", caller=caller)), allowed)
        policy = AccessPolicy({"a": rule(uids=(7,)), "b": rule(tokens=("billing",))})
        for caller, allowed in ((process, True), (token, True), (Caller(), False)):
            self.assertEqual(policy.allows(Request("GET", "/a", caller=caller), None), allowed)

    def test_names_user(self) -> None:
        """A rule for everyone does not name a user, as a mount demands."""
        policy = AccessPolicy({"a": rule(anyone=True), "b": rule(user={"role": "admin"}, routes=("/b",))})
        self.assertTrue(policy.uses_users)
        self.assertFalse(policy.names_user(Request("GET", "/a"), User("admin")))
        self.assertTrue(policy.names_user(Request("GET", "/b"), User("admin")))
        self.assertFalse(policy.names_user(Request("GET", "/b"), User("clerk")))
