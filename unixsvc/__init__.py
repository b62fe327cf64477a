"""Microservices over Unix sockets, on Twisted.

This module has the public names for applications. They are imported on first use (PEP 562), so that the
command line does not have to import Twisted to send one message.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from unixsvc.authentication.current_user import CurrentUser
    from unixsvc.authentication.passwords import hash_password, verify_password
    from unixsvc.authentication.schemes.api_key import ApiKey
    from unixsvc.authentication.schemes.basic import Basic, Password
    from unixsvc.authentication.schemes.bearer import Bearer
    from unixsvc.authentication.schemes.client_certificate import ClientCertificate
    from unixsvc.authentication.schemes.forwarded_user import Forwarded, ForwardedUser
    from unixsvc.authentication.schemes.session import Session, SessionCookie
    from unixsvc.authentication.schemes.unix_user import UnixUser
    from unixsvc.client.twisted.client import Client
    from unixsvc.datasource.service_caller import ServiceCaller
    from unixsvc.domain.client_certificate import PeerCertificate
    from unixsvc.domain.client_info import ClientInfo
    from unixsvc.domain.file import File
    from unixsvc.domain.message import Created, Peer, Reply, Request
    from unixsvc.domain.request_context import current_request_id
    from unixsvc.domain.results.cookies import SetCookie
    from unixsvc.domain.results.events import Event
    from unixsvc.domain.results.response import Redirect, Response, Returns
    from unixsvc.domain.route_info import RouteInfo
    from unixsvc.domain.uploads.upload_file import UploadFile
    from unixsvc.domain.websocket import WebSocketClosed
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
    from unixsvc.interception.call import Call, Interceptor, Proceed
    from unixsvc.limiting.rate_limit import RateLimit
    from unixsvc.routing.app import App
    from unixsvc.routing.checks import Check
    from unixsvc.routing.container import ServiceContext
    from unixsvc.routing.parameters.body.markers import Body, Form
    from unixsvc.routing.parameters.cookie import Cookie
    from unixsvc.routing.parameters.header import Header
    from unixsvc.routing.parameters.last_event_id import LastEventId
    from unixsvc.routing.parameters.query import Query
    from unixsvc.routing.route import (
        DELETE,
        GET,
        HEAD,
        OPTIONS,
        PATCH,
        POST,
        PUT,
        WEBSOCKET,
        Group,
        Route,
    )
    from unixsvc.routing.websocket.socket import WebSocket
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
    "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "WEBSOCKET",
    "ApiKey", "App", "BadGateway", "Basic", "Bearer", "Body", "Call", "Cancelled", "Check", "Client",
    "ClientCertificate", "ClientInfo", "Conflict", "Cookie", "Created", "CurrentUser", "DeadlineExceeded",
    "Event", "File", "Forbidden", "Form", "Forwarded", "ForwardedUser", "Gone", "Group", "Header",
    "IDescribesRoutes", "IHandleMessage", "IOrchestratorWatcher", "IRequestHandler", "IReviewsCallers",
    "IRouterDatasource", "IServices", "Interceptor", "Invalid", "JobRun", "LastEventId", "MethodNotAllowed",
    "NotFound", "Password", "Peer", "PeerCertificate", "Proceed", "Query", "RateLimit", "RateLimited",
    "Redirect", "Reply", "Request", "Response", "Returns", "Route", "RouteInfo", "Schedule", "ServiceCaller",
    "ServiceContext", "ServiceError", "Session", "SessionCookie", "SetCookie", "Tasks", "Unauthorized",
    "Unavailable", "UnixUser", "UploadFile", "WebSocket", "WebSocketClosed", "cron", "current_request_id",
    "every", "from_asyncio", "hash_password", "verify_password",
]  # fmt: skip

_MODULES: Final = {
    "unixsvc.authentication.current_user": ("CurrentUser",),
    "unixsvc.authentication.passwords": ("hash_password", "verify_password"),
    "unixsvc.authentication.schemes.api_key": ("ApiKey",),
    "unixsvc.authentication.schemes.basic": ("Basic", "Password"),
    "unixsvc.authentication.schemes.bearer": ("Bearer",),
    "unixsvc.authentication.schemes.client_certificate": ("ClientCertificate",),
    "unixsvc.domain.client_certificate": ("PeerCertificate",),
    "unixsvc.authentication.schemes.forwarded_user": ("Forwarded", "ForwardedUser"),
    "unixsvc.authentication.schemes.session": ("Session", "SessionCookie"),
    "unixsvc.authentication.schemes.unix_user": ("UnixUser",),
    "unixsvc.contract.interfaces": ("IDescribesRoutes",),
    "unixsvc.datasource.service_caller": ("ServiceCaller",),
    "unixsvc.domain.interfaces": ("IHandleMessage", "IRouterDatasource", "IServices"),
    "unixsvc.domain.file": ("File",),
    "unixsvc.domain.client_info": ("ClientInfo",),
    "unixsvc.domain.message": ("Created", "Peer", "Reply", "Request"),
    "unixsvc.domain.request_context": ("current_request_id",),
    "unixsvc.domain.route_info": ("RouteInfo",),
    "unixsvc.interception.call": ("Call", "Interceptor", "Proceed"),
    "unixsvc.limiting.rate_limit": ("RateLimit",),
    "unixsvc.domain.uploads.upload_file": ("UploadFile",),
    "unixsvc.domain.results.cookies": ("SetCookie",),
    "unixsvc.domain.results.events": ("Event",),
    "unixsvc.domain.results.response": ("Redirect", "Response", "Returns"),
    "unixsvc.orchestrator.interfaces": ("IOrchestratorWatcher",),
    "unixsvc.routing.app": ("App",),
    "unixsvc.routing.checks": ("Check",),
    "unixsvc.routing.container": ("ServiceContext",),
    "unixsvc.routing.parameters.last_event_id": ("LastEventId",),
    "unixsvc.routing.parameters.body.markers": ("Body", "Form"),
    "unixsvc.routing.parameters.cookie": ("Cookie",),
    "unixsvc.routing.parameters.header": ("Header",),
    "unixsvc.routing.parameters.query": ("Query",),
    "unixsvc.routing.route": (
        "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "WEBSOCKET", "Group", "Route",
    ),
    "unixsvc.routing.websocket.socket": ("WebSocket",),
    "unixsvc.domain.websocket": ("WebSocketClosed",),
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
