"""What the tables ``[access.NAME]`` allow; pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from msgspec import Struct

from unixsvc.config.access import AccessRule, ClaimValue
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError
from unixsvc.security.access import RouteRules

__all__ = ["AccessPolicy"]


class _Rule(Struct, frozen=True):
    """A rule with its routes; None for all."""

    rule: AccessRule
    routes: RouteRules | None

    def allows(self, request: Request, user: object) -> bool:
        rule, grant = self.rule, request.caller.grant
        if rule.uids and request.peer.uid not in rule.uids:
            return False
        if rule.tokens and (grant is None or grant.name not in rule.tokens):
            return False
        if rule.user is not None and (user is None or not _has_claims(user, rule.user)):
            return False
        return self.routes is None or self.routes.allow(request.method, request.path)


class AccessPolicy:
    """The rules of one service. It refuses what no rule allows.

    :param rules: by the names of their tables; all of them name the service.
    :raises ConfigError: if a route is not valid.
    :ivar uses_users: whether a rule is about users.
    """

    def __init__(self, rules: Mapping[str, AccessRule]) -> None:
        self._rules: list[_Rule] = []
        for name, rule in rules.items():
            try:
                self._rules.append(_Rule(rule, RouteRules(rule.routes) if rule.routes else None))
            except ConfigError as error:
                raise ConfigError(f"access.{name}.routes", str(error)) from None
        self.uses_users = any(rule.user is not None for rule in rules.values())

    def allows(self, request: Request, user: object) -> bool:
        """True if a rule allows a request.

        :param user: None for an anonymous caller.
        """
        return any(rule.allows(request, user) for rule in self._rules)

    def names_user(self, request: Request, user: object) -> bool:
        """True if a rule about users allows a request."""
        return any(rule.rule.user is not None and rule.allows(request, user) for rule in self._rules)


def _has_claims(user: object, claims: Mapping[str, ClaimValue]) -> bool:
    return all(_is_one_of(_claim_of(user, name), expected) for name, expected in claims.items())


def _claim_of(user: object, name: str) -> object:
    return user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)


def _is_one_of(value: object, expected: ClaimValue) -> bool:
    accepted = expected if isinstance(expected, tuple) else (expected,)
    values = value if isinstance(value, list | tuple | set | frozenset) else (value,)
    found = [each.value if isinstance(each, enum.Enum) else each for each in values]
    # The types, too: True is 1 for Python.
    return any(type(each) is type(other) and each == other for each in found for other in accepted)
