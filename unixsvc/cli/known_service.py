"""The names of services by which a command filters: a wrong one is reported, and does not show nothing."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from unixsvc.cli.session import Session
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway, NotFound

__all__ = ["require_service"]


class _Entry(Struct):
    name: str


def require_service(session: Session, name: str) -> None:
    """Check that the orchestrator runs a service with this name.

    :param name: empty for all services.
    :raises NotFound: naming those that there are.
    """
    if name in ("", CONTROL_SERVICE):
        return
    raw = session.request(CONTROL_SERVICE, "/services")
    try:
        known = [each.name for each in msgspec.json.decode(raw, type=list[_Entry])]
    except msgspec.DecodeError as error:
        raise BadGateway(f"the reply cannot be read: {shortened(str(error))}") from None
    if name not in known:
        raise NotFound(f"there is no service {shortened(name)!r}; there are: {', '.join(known)}")
