"""The gates of a service's routes, in the order in which requests pass them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from unixsvc.authentication.authenticator import Authenticator
from unixsvc.authentication.interfaces import Scheme
from unixsvc.config.access import AccessRule
from unixsvc.routing.app import App, schemes_of
from unixsvc.routing.container import ServiceContainer, ServiceContext
from unixsvc.routing.deprecation import deprecation_gate
from unixsvc.routing.gates import GateFactory
from unixsvc.routing.http_only import http_only_gate
from unixsvc.security.access_rules import AccessPolicy
from unixsvc.security.user_gate import UserGates
from unixsvc.service.calls.limits import ServiceLimits

__all__ = ["make_gates", "make_user_gates", "start_schemes"]


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
) -> UserGates:
    """Return what makes the gates that admit users.

    :param rules: about who may call the service, by their names.
    :param acting_user: as of :class:`~unixsvc.authentication.authenticator.Authenticator`.
    :raises unixsvc.errors.ConfigError: for schemes or rules that can never work.
    """
    authenticator = Authenticator(schemes, container.open, acting_user) if schemes else None
    policy = AccessPolicy(rules) if rules else None
    return UserGates(authenticator, policy, app.permissions, container.open)


def make_gates(users: UserGates, limits: ServiceLimits) -> list[GateFactory]:
    """Return what makes the gates of each route: who the user is comes before what limits requests."""
    return [deprecation_gate, users, limits.gate, http_only_gate]
