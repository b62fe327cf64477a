"""Who may call a service: the tables ``[access.NAME]``."""

# Annotations are not postponed: msgspec would compile the text of each when a worker starts.

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

__all__ = ["AccessRule", "ClaimValue", "rules_about"]

ClaimValue: TypeAlias = str | int | bool | tuple[str, ...]


class AccessRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One permission: a table ``[access.NAME]``. A service that a rule names refuses what no rule allows.

    Of ``uids``, ``tokens`` and ``user``, a request has to meet all that a rule has.

    :ivar services: the services that may be called; ``http`` is the gateway.
    :ivar routes: the routes there, such as ``GET /orders/{id}``; empty for all.
    :ivar uids: the users of this machine whose processes may call.
    :ivar tokens: the names of the tokens with which a client may call; ``default`` is the shared one.
    :ivar user: what the user must have, by attribute: a value, or one of several; empty for any user.
    :ivar anyone: true if every client may call, also without a user.
    """

    services: tuple[str, ...]
    routes: tuple[str, ...] = ()
    uids: tuple[int, ...] = ()
    tokens: tuple[str, ...] = ()
    user: dict[str, ClaimValue] | None = None
    anyone: bool = False


def rules_about(rules: Mapping[str, AccessRule], service: str) -> dict[str, AccessRule]:
    """The rules that name a service."""
    return {name: rule for name, rule in rules.items() if service in rule.services}
