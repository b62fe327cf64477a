"""Microservices over Unix sockets, on Twisted.

What an application needs is here; what runs it is in the packages below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from unixsvc.client.twisted.client import Client
    from unixsvc.domain.interfaces import IServices
    from unixsvc.domain.message import Created, Peer, Request
    from unixsvc.errors import (
        BadGateway,
        Cancelled,
        Conflict,
        DeadlineExceeded,
        Forbidden,
        Gone,
        Invalid,
        MethodNotAllowed,
        NotFound,
        RateLimited,
        ServiceError,
        Unauthorized,
        Unavailable,
    )
    from unixsvc.execution.action_driver import from_asyncio
    from unixsvc.routing.app import App
    from unixsvc.routing.checks import Check
    from unixsvc.routing.container import ServiceContext
    from unixsvc.routing.route import DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, Group, Route

__all__ = [
    "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT",
    "App", "BadGateway", "Cancelled", "Check", "Client", "Conflict", "Created", "DeadlineExceeded",
    "Forbidden", "Gone", "Group", "IServices", "Invalid", "MethodNotAllowed", "NotFound", "Peer",
    "RateLimited", "Request", "Route", "ServiceContext", "ServiceError", "Unauthorized", "Unavailable",
    "from_asyncio",
]  # fmt: skip

# Imported when asked for: the command line must not wait for all of Twisted to send one message.
_HOMES: Final = {
    "unixsvc.domain.interfaces": ("IServices",),
    "unixsvc.domain.message": ("Created", "Peer", "Request"),
    "unixsvc.routing.app": ("App",),
    "unixsvc.routing.checks": ("Check",),
    "unixsvc.routing.container": ("ServiceContext",),
    "unixsvc.routing.route": (
        "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "Group", "Route"
    ),
    "unixsvc.execution.action_driver": ("from_asyncio",),
    "unixsvc.client.twisted.client": ("Client",),
}  # fmt: skip
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF.get(name, "unixsvc.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
