"""Answers that come from another service on this machine."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.client.errors import ServiceUnreachable
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.contract.interfaces import IDescribesRoutes
from unixsvc.contract.model import Contract
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IRouterDatasource, IServices
from unixsvc.domain.message import Created, Reply, Request
from unixsvc.errors import Cancelled, ConfigError, DeadlineExceeded, ServiceError, Unauthorized, Unavailable
from unixsvc.routing.builtin_routes import PREFIX, ROUTES

__all__ = ["UnixDatasource", "mounted"]

_TARGET: Final = re.compile(r"[a-z][a-z0-9_-]*(:/[^?]*)?")
_GIVEN_UP: Final = (Cancelled, DeadlineExceeded)


@implementer(IRouterDatasource, IDescribesRoutes)
class UnixDatasource:
    """Passes requests on to a service; neither their data nor its answers are decoded here.

    Nobody tells beforehand whether an answer is a stream. So the service may send as many items as a window
    holds; the others come as the caller takes them.

    :param services: asks it.
    :param service: its name.
    :param prefix: what all paths begin with here.
    :param base: what they begin with there, instead.
    """

    def __init__(self, services: IServices, service: str, prefix: str = "", base: str = "") -> None:
        self._services = services
        self._service = service
        self._prefix = prefix
        self._base = base

    def handle(self, request: Request) -> Deferred[Reply]:
        """Have a request answered there, within the time that it has here.

        :raises Unauthorized: if the caller has shown no token: we would show ours for it, and with that open
            to it what is not public there.
        """
        if not request.caller.trusted:
            raise Unauthorized
        path = self._there(request.path)
        if request.query:
            path = f"{path}?{request.query}"
        meta = {**request.meta, "request_id": request.request_id}
        asked: Any = self._services.open(
            self._service, request.method, path, request.data, limit=request.timeout, meta=meta
        )
        answered: Deferred[Reply] = asked.addCallbacks(self._succeeded, _failed)
        return answered

    async def contract(self) -> Contract:
        """Return the contract of the service below the base; through a mount no route is public."""
        contract: Contract = await self._services.call(self._service, "GET", ROUTES, type=Contract)
        routes = [
            msgspec.structs.replace(route, path=self._here(route.path), public=False)
            for route in contract.application_routes
            if f"{route.path}/".startswith(f"{self._base}/")
        ]
        return msgspec.structs.replace(contract, routes=routes)

    def _there(self, path: str) -> str:
        return (self._base + path[len(self._prefix) :]) or "/"

    def _here(self, path: str) -> str:
        if not f"{path}/".startswith(f"{self._base}/"):
            return path
        return (self._prefix + path[len(self._base) :]).removesuffix("/" if path == "/" else "") or "/"

    def _succeeded(self, answer: Raw | Any) -> Reply:
        if isinstance(answer, Raw):
            return Reply(200, bytes(answer))
        if isinstance(answer, Created):
            location = self._here(answer.location) if answer.location else ""
            return Reply(200, bytes(answer.value), location=location)
        return Reply(items=_items(answer))


async def _items(stream: Any) -> AsyncGenerator[bytes, None]:
    """The items of a stream, each taken when it is asked for; where this is closed, so is the stream."""
    async with aclosing(stream):
        async for each in stream:
            yield bytes(each)


def _failed(failure: Failure) -> Reply:
    """A failure that is the answer; one that the use case must hear of is raised."""
    error: Any = failure.value
    if isinstance(error, ServiceUnreachable):  # where its socket would be is nobody's affair
        raise Unavailable from None
    if isinstance(error, _GIVEN_UP):  # as it would be said here, and not as a client is told
        raise type(error)() from None
    if not isinstance(error, ServiceError):
        raise error
    return error_to_reply(error)


def mounted(
    mounts: Mapping[str, Any], own: str, paths: Iterable[str], services: IServices
) -> dict[str, IRouterDatasource]:
    """Who answers below the prefixes that an application has mounted others at.

    :param mounts: by prefix, the name of a service, or a datasource. Behind the name may stand, as in
        ``user:/people``, what the service's paths begin with instead of the prefix; else they are the same.
    :param own: the name of the service that mounts them.
    :param paths: those that it answers itself.
    :raises ConfigError: for a mount that cannot work.
    """
    paths = list(paths)
    for prefix, service in mounts.items():
        where = f"the mount {prefix!r}"
        if not prefix.startswith("/") or prefix.endswith("/") or "?" in prefix:
            raise ConfigError(where, "is no prefix of paths", "write it as /users")
        if f"{prefix}/".startswith(f"{PREFIX}/"):
            raise ConfigError(where, f"is under {PREFIX}/", "those paths are the framework's; choose another")
        if isinstance(service, str) and service.partition(":")[0] == CONTROL_SERVICE:
            raise ConfigError(where, "leads to the orchestrator", "what controls it is not for others")
        if isinstance(service, str) and service.partition(":")[0] == own:
            raise ConfigError(where, f"leads {own!r} to itself", "name another service")
        if isinstance(service, str) and not _TARGET.fullmatch(service):
            raise ConfigError(where, f"leads to {service!r}", "name a service, as user, or user:/people")
        if not isinstance(service, str) and not IRouterDatasource.providedBy(service):
            raise ConfigError(
                where, f"leads to a {type(service).__name__}", "name a service, or a datasource"
            )
        hidden = [path for path in paths if f"{path}/".startswith(f"{prefix}/")]
        if hidden:
            raise ConfigError(where, f"hides the service's own {hidden[0]}", "move one of them")
    return {
        prefix: _unix(services, prefix, each) if isinstance(each, str) else each
        for prefix, each in mounts.items()
    }


def _unix(services: IServices, prefix: str, target: str) -> UnixDatasource:
    service, replaced, base = target.partition(":")
    if replaced:
        return UnixDatasource(services, service, prefix, base.rstrip("/"))
    return UnixDatasource(services, service, prefix, prefix)
