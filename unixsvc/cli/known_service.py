"""The services that the orchestrator runs, as commands know them."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from unixsvc.cli.session import Session
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway, NotFound

__all__ = ["KnownService", "known_services", "require_service"]


class KnownService(Struct, frozen=True):
    """A service.

    :ivar handler: as ``package.module:Class``.
    :ivar listen: the addresses of the HTTP gateway.
    """

    name: str
    status: str = ""
    handler: str = ""
    listen: tuple[str, ...] = ()


def known_services(session: Session, timeout: float | None = None) -> list[KnownService]:
    """The services that the orchestrator runs.

    :param timeout: in seconds; None for the usual one.
    """
    raw = session.request(CONTROL_SERVICE, "/services", timeout=timeout)
    try:
        return msgspec.json.decode(raw, type=list[KnownService])
    except msgspec.DecodeError as error:
        raise BadGateway(f"the list of services cannot be read: {shortened(str(error))}") from None


def require_service(session: Session, name: str) -> None:
    """Check that a service by which a command filters exists: a wrong name must not show nothing.

    :param name: empty for all services.
    :raises NotFound: naming those that there are.
    """
    if name in ("", CONTROL_SERVICE):
        return
    known = [each.name for each in known_services(session)]
    if name not in known:
        raise NotFound(f"there is no service {shortened(name)!r}; there are: {', '.join(known)}")
