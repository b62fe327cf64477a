"""The scheme of users whom another service has authenticated, which mounts this one."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from unixsvc.authentication.credentials import Credentials
from unixsvc.authentication.schemes.base import SchemeBase
from unixsvc.config.settings import SHARED_TOKEN
from unixsvc.domain.message import FORWARDED_USER, Request

__all__ = ["Forwarded", "ForwardedUser"]


class Forwarded(Struct, frozen=True):
    """What the other service says of the user.

    :ivar scheme: the name of the scheme there, as ``session``.
    :ivar subject: identifies the user in that scheme.
    """

    scheme: str
    subject: str


class ForwardedUser(SchemeBase):
    """The user of a request that comes through a mount, as the service with the mount has authenticated it.

    Only calls with the shared token are believed, which all services of one orchestrator have: a client
    with a token of its own, or with none, cannot choose a user.

    :param find_user: gets :class:`~unixsvc.Forwarded`; returns the user, or None.
    :param name: of the scheme.
    :param description: for the contract.
    """

    def __init__(
        self, find_user: Callable[..., object], *, name: str = "forwarded", description: str = ""
    ) -> None:
        super().__init__(find_user, name, description)

    def read(self, request: Request) -> Credentials | None:
        """Return who the user is."""
        grant = request.caller.grant
        if request.headers is not None or grant is None or grant.name != SHARED_TOKEN:
            return None
        kind, _, rest = request.meta.get(FORWARDED_USER, "").partition(":")
        scheme, _, subject = rest.partition(":")
        if kind != "user" or not subject:
            return None
        return Credentials(Forwarded(scheme, subject), f"{scheme}:{subject}")

    def describe(self) -> None:
        """Return nothing: OpenAPI knows HTTP only, where the other service has authenticated the user."""
