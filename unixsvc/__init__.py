"""Microservices over Unix sockets, on Twisted.

This module has the public names for applications. They are imported on first use (PEP 562), so that the
command line does not have to import Twisted to send one message.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from unixsvc.client.twisted.client import Client
    from unixsvc.datasource.service_caller import ServiceCaller
    from unixsvc.domain.message import Created, Peer, Request
    from unixsvc.domain.request_context import current_request_id
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
    from unixsvc.execution.background import Tasks
    from unixsvc.routing.app import App
    from unixsvc.routing.checks import Check
    from unixsvc.routing.container import ServiceContext
    from unixsvc.routing.route import DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, Group, Route, RouteInfo
    from unixsvc.schedules.spec import JobRun, Schedule, cron, every
    from unixsvc.typing import (
        IDescribesRoutes,
        IHandleMessage,
        IOrchestratorWatcher,
        IRequestHandler,
        IReviewsCallers,
        IRouterDatasource,
        IServices,
    )

__all__ = [
    "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT",
    "App", "BadGateway", "Cancelled", "Check", "Client", "Conflict", "Created", "DeadlineExceeded",
    "Forbidden", "Gone", "Group", "IDescribesRoutes", "IHandleMessage", "IOrchestratorWatcher",
    "IRequestHandler", "IReviewsCallers", "IRouterDatasource", "IServices", "Invalid", "JobRun",
    "MethodNotAllowed", "NotFound", "Peer", "RateLimited", "Request", "Route", "RouteInfo", "Schedule",
    "ServiceCaller", "ServiceContext", "ServiceError", "Tasks", "Unauthorized", "Unavailable", "cron",
    "current_request_id", "every", "from_asyncio",
]  # fmt: skip

_MODULES: Final = {
    "unixsvc.contract.interfaces": ("IDescribesRoutes",),
    "unixsvc.datasource.service_caller": ("ServiceCaller",),
    "unixsvc.domain.interfaces": ("IHandleMessage", "IRouterDatasource", "IServices"),
    "unixsvc.domain.message": ("Created", "Peer", "Request"),
    "unixsvc.domain.request_context": ("current_request_id",),
    "unixsvc.orchestrator.interfaces": ("IOrchestratorWatcher",),
    "unixsvc.routing.app": ("App",),
    "unixsvc.routing.checks": ("Check",),
    "unixsvc.routing.container": ("ServiceContext",),
    "unixsvc.routing.route": (
        "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "Group", "Route", "RouteInfo"
    ),
    "unixsvc.server.interfaces": ("IRequestHandler", "IReviewsCallers"),
    "unixsvc.execution.action_driver": ("from_asyncio",),
    "unixsvc.execution.background": ("Tasks",),
    "unixsvc.schedules.spec": ("JobRun", "Schedule", "cron", "every"),
    "unixsvc.client.twisted.client": ("Client",),
}  # fmt: skip
_MODULE_OF: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_MODULE_OF.get(name, "unixsvc.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
