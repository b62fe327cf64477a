"""The gate that admits requests by their user: authentication, guards, and the rules of the configuration."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from msgspec import Struct

from unixsvc.authentication.authenticator import Authenticator, Identity, Refusal
from unixsvc.authentication.guards import Guards, Permissions, Requirement
from unixsvc.authentication.user_function import OpenContainer
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.domain.refusal import refusal_of
from unixsvc.errors import ConfigError, Forbidden, ServiceError, WrongToken
from unixsvc.routing.builtin_routes import PREFIX
from unixsvc.routing.gates import AccessGate
from unixsvc.routing.parameters.current_user import UserParameter
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature
from unixsvc.security.access_rules import AccessPolicy

__all__ = ["UserGate", "UserGates", "without_users"]

_TOKEN = "bearer"  # the token of the service in the contract
_NO_RULE = "no rule under [access] allows this request"


class UserGate(AccessGate):
    """Admits the requests to one route.

    :param public: whether the route needs neither a user nor a trusted caller.
    :param needs_user: whether the route needs a user, whatever token the caller has.
    :param takes_user: whether the route does something with a user.
    :param guards: the requirements of the route.
    :param policy: the rules of the configuration for the service; None without any.
    :param is_mount: whether the route is a mount, for which a user needs a rule.
    """

    def __init__(
        self,
        authenticator: Authenticator | None,
        open_container: OpenContainer,
        *,
        public: bool = False,
        needs_user: bool = False,
        takes_user: bool = False,
        guards: Guards,
        policy: AccessPolicy | None = None,
        is_mount: bool = False,
    ) -> None:
        self._authenticator = authenticator
        self._open_container = open_container
        self._public = public
        self._needs_user = needs_user
        self._takes_user = needs_user or takes_user or (policy is not None and policy.uses_users)
        self._guards = guards
        self._policy = policy
        self._is_mount = is_mount
        waits = (authenticator is not None and authenticator.waits) or guards.waits
        self._run = self._pass if waits else self._pass_at_once

    @property
    def security(self) -> list[dict[str, list[str]]]:
        """See :class:`AccessGate`."""
        names = [] if self._authenticator is None else list(self._authenticator.descriptions)
        found: list[dict[str, list[str]]] = [{name: [*self._guards.scopes]} for name in names]
        if self._public and not self._needs_user:
            return [{}, *found]
        return found if self._needs_user else [{_TOKEN: []}, *found]

    def __call__(self, request: Request) -> Awaitable[None] | None:
        """Let a request pass.

        :raises unixsvc.errors.ServiceError: if it may not.
        """
        return self._run(request)

    def _pass_at_once(self, request: Request) -> Awaitable[None] | None:
        """Let a request pass where all functions of the application are plain."""
        passed = start(self._pass(request))
        # A decorator may hide that a function is async.
        return passed if isinstance(passed, SuspendedCoroutine) else None

    async def _pass(self, request: Request) -> None:
        trusted = self._is_trusted(request)
        found: Identity | Refusal = Refusal()
        if self._authenticator is not None and (self._takes_user or not trusted):
            found = await self._authenticator.identify(request)
        user = found.user if isinstance(found, Identity) else None
        if isinstance(found, Refusal) and (self._needs_user or not (self._public or trusted)):
            raise self._refused(found, request)
        if isinstance(found, Identity) and self._is_mount and not trusted:
            self._check_mount(request, user)
        if self._policy is not None and not self._policy.allows(request, user):
            if isinstance(found, Refusal) and self._policy.uses_users:
                raise self._refused(found, request)
            raise Forbidden(_NO_RULE)
        if isinstance(found, Identity):
            extras = request.own_extras()
            extras.user, extras.user_name = found.user, found.name
        if self._guards:
            await self._guards.check(user, request, self._open_container)

    def _is_trusted(self, request: Request) -> bool:
        """Whether the caller has a token. Under the policy ``off``, a client over HTTP is anonymous."""
        caller = request.caller
        if self._authenticator is None or request.headers is None:
            return caller.trusted
        return caller.trusted and caller.grant is not None

    def _check_mount(self, request: Request, user: object) -> None:
        """Check that a rule lets the user pass: the service behind the mount trusts this one."""
        if self._policy is None or not self._policy.names_user(request, user):
            raise Forbidden(_NO_RULE)

    def _refused(self, refusal: Refusal, request: Request) -> ServiceError:
        if self._authenticator is None:
            return refusal_of(request)
        error = self._authenticator.error(refusal, token_suffices=not self._needs_user)
        caller = request.caller
        # Of a caller with a token, as a service that mounts this one, the failures of others are not counted.
        if isinstance(error, WrongToken) and caller.grant is None:
            caller.wrong_tokens += 1
        return error


class UserGates:
    """Makes the gates of a service.

    :param authenticator: None if the application authenticates no users.
    :param policy: the rules of the configuration for the service; None without any.
    :param permissions: what permissions a user has.
    :param open_container: opens a container for one request.
    """

    def __init__(
        self,
        authenticator: Authenticator | None,
        policy: AccessPolicy | None,
        permissions: Permissions,
        open_container: OpenContainer,
    ) -> None:
        if policy is not None and policy.uses_users and authenticator is None:
            remedy = "give the application authenticate=, or remove user"
            raise ConfigError("access", "a rule is about users, and the service has none", remedy)
        self._authenticator = authenticator
        self._policy = policy
        self._permissions = permissions
        self._open_container = open_container

    @property
    def is_active(self) -> bool:
        """Whether the service has users, or rules."""
        return self._authenticator is not None or self._policy is not None

    @property
    def has_rules(self) -> bool:
        """Whether rules of the configuration are about the service."""
        return self._policy is not None

    @property
    def descriptions(self) -> JsonObject:
        """The schemes for the contract, by name."""
        return {} if self._authenticator is None else self._authenticator.descriptions

    def __call__(self, route: Route, signature: Signature, where: str) -> UserGate | None:
        """Make the gate of a route; None if it has nothing to check.

        :raises ConfigError: if the route needs a user that nothing can authenticate.
        """
        if where.partition(" ")[2].startswith(f"{PREFIX}/"):
            return None
        guards = self.guards(route.requires, where)
        users = [each for each in signature.sources.values() if isinstance(each, UserParameter)]
        if users or guards:
            self._require_users(users, where)
        if guards.scopes:
            self._require_permissions(where)
        needs_user = bool(guards) or any(each.required for each in users)
        if self._policy is None and not users and not guards and (route.public or not self._authenticator):
            return None
        return UserGate(
            self._authenticator,
            self._open_container,
            public=route.public,
            needs_user=needs_user,
            takes_user=bool(users),
            guards=guards,
            policy=self._policy,
        )

    def guards(self, requirements: Sequence[Requirement], where: str) -> Guards:
        """Return the guards for some requirements."""
        return Guards(requirements, self._permissions, where)

    def for_page(self, requirements: Sequence[Requirement] | None) -> UserGate:
        """Make the gate of a page.

        :param requirements: None if the page needs no user.
        """
        return UserGate(
            self._authenticator,
            self._open_container,
            public=True,
            needs_user=requirements is not None,
            takes_user=True,
            guards=self.guards(requirements or (), "a page"),
            policy=self._policy,
        )

    def for_mount(self, prefix: str) -> UserGate | None:
        """Make the gate of a mount; None if it has nothing to check."""
        if self._authenticator is None and self._policy is None:
            return None
        guards = self.guards((), prefix)
        return UserGate(
            self._authenticator,
            self._open_container,
            takes_user=True,
            guards=guards,
            policy=self._policy,
            is_mount=True,
        )

    def _require_users(self, users: Sequence[UserParameter], where: str) -> None:
        if self._authenticator is None:
            raise _no_users(where)
        known = self._authenticator.user_types
        for each in users:
            wanted = each.classes
            if known and wanted and not any(_related(one, other) for one in wanted for other in known):
                names = " or ".join(sorted({other.__qualname__ for other in known}))
                remedy = f"annotate it as CurrentUser[{names}]"
                problem = f"the user is a {names}, never a {' or '.join(one.__qualname__ for one in wanted)}"
                raise ConfigError(where, problem, remedy)

    def _require_permissions(self, where: str) -> None:
        """Require that users can have permissions, as far as their types say what they have."""
        known = () if self._authenticator is None else self._authenticator.user_types
        name = self._permissions
        if isinstance(name, str) and known and not any(_may_have(each, name) for each in known):
            users = " or ".join(sorted({each.__qualname__ for each in known}))
            problem = f"requires a permission, and {users} has no {name!r}"
            raise ConfigError(where, problem, f"add it, or give App(permissions=...): where {users} has them")


def _may_have(user_type: type, name: str) -> bool:
    """Whether users of a type may have an attribute; it is known for structs without subclasses only."""
    return not issubclass(user_type, Struct) or bool(user_type.__subclasses__()) or hasattr(user_type, name)


def without_users(route: Route, signature: Signature, where: str) -> None:
    """Require that a route needs no user, in an application that authenticates none.

    :raises ConfigError: if it needs one.
    """
    users = [each for each in signature.sources.values() if isinstance(each, UserParameter)]
    if users or Guards(route.requires, "", where):
        raise _no_users(where)


def _no_users(where: str) -> ConfigError:
    remedy = "give the application authenticate=, as App(..., authenticate=Bearer.jwt(...))"
    return ConfigError(where, "needs a user, and the application authenticates none", remedy)


def _related(one: Any, other: Any) -> bool:
    """Whether an object can be an instance of both."""
    try:
        return issubclass(one, other) or issubclass(other, one)
    except TypeError:  # a protocol with attributes
        return True
