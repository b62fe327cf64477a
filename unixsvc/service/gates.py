"""The gates of a service's routes, in the order in which requests pass them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from unixsvc.routing.app import App, schemes_of
from unixsvc.routing.container import ServiceContainer, ServiceContext
from unixsvc.routing.deprecation import deprecation_gate
from unixsvc.routing.gates import Gate, GateFactory
from unixsvc.routing.http_only import http_only_gate
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature
from unixsvc.service.calls.limits import ServiceLimits

if TYPE_CHECKING:
    from unixsvc.authentication.interfaces import Scheme
    from unixsvc.config.access import AccessRule
    from unixsvc.security.user_gate import UserGates

__all__ = ["make_gates", "make_user_gates", "start_schemes", "user_gate_factory"]


def start_schemes(app: App, context: ServiceContext) -> list[Scheme]:
    """Return the schemes of an application, which have read their files.

    :raises unixsvc.errors.ConfigError: for a scheme that can never work.
    """
    schemes = schemes_of(app, context)
    for scheme in schemes:
        scheme.start(context.folder)
    return schemes


def make_user_gates(
    app: App,
    rules: Mapping[str, AccessRule],
    schemes: Sequence[Scheme],
    container: ServiceContainer,
    acting_user: Callable[[], object] | None = None,
) -> UserGates | None:
    """Return what makes the gates that admit users; None if the service has neither users nor rules.

    :param rules: about who may call the service, by their names.
    :param acting_user: as of :class:`~unixsvc.authentication.authenticator.Authenticator`.
    :raises unixsvc.errors.ConfigError: for schemes or rules that can never work.
    """
    if not (schemes or rules):
        return None
    # Late: many services have no users.
    from unixsvc.authentication.authenticator import Authenticator
    from unixsvc.security.access_rules import AccessPolicy
    from unixsvc.security.user_gate import UserGates

    authenticator = Authenticator(schemes, container.open, acting_user) if schemes else None
    policy = AccessPolicy(rules) if rules else None
    return UserGates(authenticator, policy, app.permissions, container.open)


def make_gates(users: UserGates | None, limits: ServiceLimits) -> list[GateFactory]:
    """Return what makes the gates of each route: who the user is comes before what limits requests."""
    return [deprecation_gate, user_gate_factory(users), limits.gate, http_only_gate]


def user_gate_factory(users: UserGates | None) -> GateFactory:
    """Return what makes the gate of a route that admits users, from the result of :func:`make_user_gates`."""
    return users or _without_users


def _without_users(route: Route, signature: Signature, where: str) -> Gate | None:
    """No gate, in a service without users.

    :raises unixsvc.errors.ConfigError: if the route needs one.
    """
    if not (route.requires or signature.sources):
        return None
    from unixsvc.security.user_gate import without_users

    without_users(route, signature, where)
    return None
