"""The authentication of requests by tokens."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from msgspec import Struct
from zope.interface import implementer

from unixsvc.config.settings import SHARED_TOKEN
from unixsvc.domain.interfaces import IGuard
from unixsvc.domain.message import Caller, Grant, Request
from unixsvc.domain.refusal import MISSING, WRONG
from unixsvc.errors import Forbidden, Unauthorized, WrongToken
from unixsvc.security.access import AcceptedToken, RouteRules, digest_of

__all__ = ["MAX_WRONG_TOKENS", "TokenGuard"]

MAX_WRONG_TOKENS: Final = 5
_MAX_LENGTH: Final = 1024  # bytes; the digest of a message of a megabyte would take a millisecond


class _Access(Struct, frozen=True):
    """What a token allows in this service.

    :ivar service: true if it may call the service at all.
    :ivar rules: the routes that it may call; None for all.
    :ivar unlimited: true if it may call all of them.
    """

    grant: Grant
    service: bool
    rules: RouteRules | None
    unlimited: bool


@implementer(IGuard)
class TokenGuard:
    """Authenticates requests by their token; a connection that has sent a valid one stays authenticated.

    :param policy: ``required``, ``private`` or ``off``, as in the configuration.
    :param service: the name of this service.
    :param token: the shared token; empty if there is none.
    :param others: other valid tokens: the previous shared ones during a rotation, and those with names.
    :param over_http: true if tokens are in a header that other systems use as well. Under ``private`` an
        unknown token is then as none, and only a route that is not public refuses it.
    """

    def __init__(
        self,
        policy: str,
        service: str,
        token: str,
        others: Iterable[AcceptedToken] = (),
        *,
        over_http: bool = False,
    ) -> None:
        self._ignores_unknown = over_http and policy == "private"
        self._off = policy == "off"
        self._required = policy == "required"
        self._service = service
        self.replace(token, others)

    def replace(self, token: str, others: Iterable[AcceptedToken]) -> None:
        """Set the valid tokens, as in the constructor.

        Callers that other tokens have authenticated stay trusted until :meth:`review` is called for them.
        """
        self._shared = digest_of(token)
        accepted = [AcceptedToken(SHARED_TOKEN, self._shared), *others] if token else list(others)
        accesses = [self._access(each) for each in accepted]
        self._by_digest = {bytes.fromhex(access.grant.digest): access for access in accesses}
        self._last, self._last_access = token.encode(), accesses[0] if token else None

    def review(self, caller: Caller) -> bool:
        """After :meth:`replace`: take the trust of a caller away if its token does not give it any more.

        :returns: true if the client should reconnect: its token is not valid, or was replaced and will not be
            valid for long.
        """
        grant = caller.grant
        if grant is None or not grant.digest:  # trusted for another reason than a token
            return False
        access = self._access_of(grant)
        if access is None or not access.unlimited:
            caller.trusted = caller.admitted = False
        if access is None:
            caller.grant = None
            return True
        return grant.name == SHARED_TOKEN and grant.digest != self._shared

    def admit(self, request: Request) -> None:
        """Authenticate a request. Under ``private``, a route that is not public refuses it later.

        :raises Unauthorized: if the token is wrong, or required and missing.
        :raises Forbidden: if the token does not allow the request.
        """
        caller, token = request.caller, request.auth_token
        if self._off:
            caller.trusted = caller.admitted = True
            return
        if token is not None:
            # Most requests have the token of the one before, and this comparison, in constant time, costs
            # less than a digest.
            encoded = token.encode("utf-8", "surrogatepass")
            access = self._last_access if hmac.compare_digest(encoded, self._last) else self._find(encoded)
            if access is None:
                if self._ignores_unknown:
                    return
                caller.wrong_tokens += 1
                raise WrongToken(WRONG)
        else:
            access = self._access_before(caller)
            if access is None:
                if self._required:
                    raise Unauthorized(MISSING)
                return
        caller.grant = access.grant
        if access.unlimited:
            caller.trusted = caller.admitted = True
        else:
            _check_limits(request, access)

    def _find(self, token: bytes) -> _Access | None:
        if len(token) > _MAX_LENGTH:
            return None
        # The time of the lookup reveals nothing: a caller does not choose the digest, only its input.
        access = self._by_digest.get(sha256(token).digest())
        if access is not None:
            self._last, self._last_access = token, access
        return access

    def _access_before(self, caller: Caller) -> _Access | None:
        """What the token of earlier messages of the caller allows; None without a valid one."""
        self.review(caller)
        return None if caller.grant is None else self._access_of(caller.grant)

    def _access(self, token: AcceptedToken) -> _Access:
        rules = RouteRules(token.routes) if token.routes else None
        service = token.allows_service(self._service)
        return _Access(Grant(token.name, token.sha256), service, rules, unlimited=service and rules is None)

    def _access_of(self, grant: Grant) -> _Access | None:
        return self._by_digest.get(bytes.fromhex(grant.digest))


def _check_limits(request: Request, access: _Access) -> None:
    """Trust the caller of a request that a limited token allows; the next one is checked again."""
    if not access.service:
        raise Forbidden(f"the token {access.grant.name!r} may not call this service")
    if access.rules is not None and not access.rules.allow(request.method, request.path):
        raise Forbidden(f"the token {access.grant.name!r} may not call this route")
    request.caller.trusted = True
