"""Mounts: datasources that are other services on this machine."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final

from msgspec import Raw
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.client.errors import ServiceUnreachable
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.contract.interfaces import IDescribesRoutes
from unixsvc.contract.model import Contract
from unixsvc.datasource.websocket_relay import relay
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.idempotency_key import with_own_key
from unixsvc.domain.interfaces import IRouterDatasource, IServices
from unixsvc.domain.message import Created, Reply, Request
from unixsvc.domain.path_prefix import PathPrefix
from unixsvc.domain.providers import as_provider
from unixsvc.domain.refusal import refusal_of
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.request_context import current_slot
from unixsvc.domain.websocket import MessageChannel
from unixsvc.errors import (
    Cancelled,
    ConfigError,
    DeadlineExceeded,
    NotFound,
    ServiceError,
    Unavailable,
)
from unixsvc.routing.app import Mount
from unixsvc.routing.builtin_routes import PREFIX, ROUTES
from unixsvc.routing.parameters.last_event_id import LAST_EVENT_ID
from unixsvc.wire.heads import decode_body
from unixsvc.wire.websockets import SUBPROTOCOLS

__all__ = ["UnixDatasource", "mounted"]

_TARGET: Final = re.compile(r"[a-z][a-z0-9_-]*(:/[^?]*)?")
_BUILTIN: Final = PathPrefix.parse(PREFIX)
_ABORTED: Final = (Cancelled, DeadlineExceeded)


@implementer(IRouterDatasource, IDescribesRoutes)
class UnixDatasource:
    """Forwards requests to a service, without decoding their data or the replies.

    It is not known in advance whether the reply is a stream. So the service may send the items of the initial
    credit; the caller's requests for more items grant further credit.

    :param services: calls the service.
    :param service: the name of the service.
    :param prefix: the prefix of the paths in this service.
    :param base: the prefix that the paths have in the other service instead.
    :raises ConfigError: if one of them is not a path prefix.
    """

    def __init__(self, services: IServices, service: str, prefix: str = "", base: str = "") -> None:
        self._services = services
        self._service = service
        self._prefix = PathPrefix.parse(prefix)
        self._base = PathPrefix.parse(base)
        self._same_path = base == prefix

    def handle(self, request: Request) -> Deferred[Reply]:
        """Forward a request, with its remaining time. Percent-escapes in the path stay as they are.

        :raises NotFound: for the built-in routes of the other service, which are for its own callers.
        :raises Unauthorized: if the caller is not trusted, and no rule lets its user pass. The call has the
            token of this service, so it would give the caller access to routes of the other service that are
            not public.
        :raises Invalid: for an idempotency key of a wrong length.
        """
        path = self._remote_path(request.path)
        if not (request.caller.trusted or request.user_name):
            raise refusal_of(request)
        if request.query:
            path = f"{path}?{request.query}"
        meta = {**with_own_key(request), "request_id": request.request_id}
        if request.headers is not None and (last := request.header(LAST_EVENT_ID)) is not None:
            meta.setdefault(LAST_EVENT_ID.lower(), last.encode("latin-1").decode("utf-8", "replace"))
        address: str = getattr(request.peer_address, "host", "")
        if address:
            meta["client_address"] = address
        if request.channel is not None:
            return Deferred.fromCoroutine(self._relay(request, request.channel, path, meta))
        result: Any = self._services.open(
            self._service, request.method, path, request.data, limit=request.timeout, meta=meta
        )
        reply: Deferred[Reply] = result.addCallbacks(self._to_reply, _failed)
        return reply

    async def _relay(
        self, request: Request, channel: MessageChannel, path: str, meta: dict[str, str]
    ) -> Reply:
        """Forward a WebSocket. It has the time-out of any request until the service accepts it."""
        current_slot().seconds = math.inf
        if channel.subprotocols:
            meta[SUBPROTOCOLS] = ", ".join(channel.subprotocols)
        try:
            result: Any = await self._services.open(
                self._service, request.method, path, request.data, meta=meta
            )
            if not hasattr(result, "send_item"):
                return self._to_reply(result)
            return await relay(channel, result)
        except CancelledError:
            raise
        except Exception:
            return _failed(Failure())

    async def contract(self) -> Contract:
        """Return the contract of the service below the base; through a mount no route is public."""
        contract: Contract = await self._services.call(self._service, "GET", ROUTES, type=Contract)
        routes = [
            replace(route, path=self._local_path(route.path), public=False)
            for route in contract.application_routes
            if f"{route.path}/".startswith(f"{self._base.plain}/")
        ]
        return replace(contract, routes=routes)

    def _remote_path(self, path: str) -> str:
        rest = self._prefix.rest_of(path)
        if rest is None or (not self._base.depth and _BUILTIN.contains(rest)):
            raise NotFound
        return path if self._same_path else (self._base.text + rest) or "/"

    def _local_path(self, pattern: str) -> str:
        """The path of a route, which has no escapes."""
        path = self._prefix.plain + pattern[len(self._base.plain) :]
        return path.removesuffix("/" if pattern == "/" else "") or "/"

    def _local_location(self, path: str) -> str:
        rest = self._base.rest_of(path)
        if rest is None:
            return path
        return (self._prefix.text + rest).removesuffix("/" if path == "/" else "") or "/"

    def _local_head(self, head: ReplyHead) -> ReplyHead:
        """The head with the path that a redirect leads to here."""
        if all(name.lower() != "location" for name, _ in head.headers):
            return head
        return replace(
            head, headers=tuple((name, self._local_value(name, value)) for name, value in head.headers)
        )

    def _local_value(self, name: str, value: str) -> str:
        if name.lower() != "location" or not value.startswith("/") or value.startswith("//"):
            return value
        end = next((at for at, character in enumerate(value) if character in "?#"), len(value))
        return self._local_location(value[:end]) + value[end:]

    def _to_reply(self, result: Raw | Created[Raw] | Reply | AsyncGenerator[Raw, None]) -> Reply:
        if isinstance(result, Raw):
            return Reply(200, bytes(result))
        if isinstance(result, Reply):
            location = self._local_location(result.location) if result.location else result.location
            head = None if result.head is None else self._local_head(result.head)
            return replace(result, location=location, head=head)
        if isinstance(result, Created):
            location = self._local_location(result.location) if result.location else ""
            return Reply(200, bytes(result.value), location=location)
        head = getattr(result, "head", None)  # IServices of a test may have streams without one
        return Reply(items=_items(result, head), head=None if head is None else self._local_head(head))


async def _items(stream: AsyncGenerator[Raw, None], head: ReplyHead | None) -> AsyncGenerator[bytes, None]:
    """Yield the items of a stream; closing this generator closes the stream."""
    async with aclosing(stream):
        async for item in stream:
            yield decode_body(item, head)


def _failed(failure: Failure) -> Reply:
    """Return the error reply of the service; other failures are raised."""
    error: Any = failure.value
    if isinstance(error, ServiceUnreachable):  # its details contain the path of the socket
        raise Unavailable from None
    if isinstance(error, _ABORTED):  # without the details of the client
        raise type(error)() from None
    if not isinstance(error, ServiceError):
        raise error
    return error_to_reply(error)


def mounted(
    mounts: Mapping[str, Mount], own: str, paths: Iterable[str], services: IServices
) -> dict[str, IRouterDatasource]:
    """Create the datasources of an application's mounts.

    :param mounts: by path prefix: a datasource, the name of a service, or a name with the prefix that the
        paths have in that service, as ``user:/people``.
    :param own: the name of the service that has the mounts.
    :param paths: the paths of its own routes.
    :returns: the datasources by prefix.
    :raises ConfigError: for a mount that can never work.
    """
    paths = list(paths)
    known: dict[str, str] = {}
    sources: dict[str, IRouterDatasource] = {}
    for prefix, mount in mounts.items():
        where = f"the mount {prefix!r}"
        plain = _plain_prefix(prefix, where)
        if known.setdefault(plain, prefix) != prefix:
            raise ConfigError(where, f"is the same path as {known[plain]!r}", "remove one of them")
        if isinstance(mount, str):
            _check_target(mount, own, where)
        sources[prefix] = _unix(services, prefix, mount) if isinstance(mount, str) else _checked(mount, where)
        hidden = [path for path in paths if f"{path}/".startswith(f"{plain}/")]
        if hidden:
            raise ConfigError(where, f"hides the service's own {hidden[0]}", "move one of them")
    return sources


def _checked(mount: object, where: str) -> IRouterDatasource:
    source = as_provider(IRouterDatasource, mount)
    if source is None:
        raise ConfigError(where, f"leads to a {type(mount).__name__}", "name a service, or a datasource")
    return source


def _plain_prefix(prefix: str, where: str) -> str:
    if not prefix or "?" in prefix:
        raise ConfigError(where, "is not a path prefix", "write it as /users")
    if _BUILTIN.contains(prefix):
        raise ConfigError(where, f"is under {PREFIX}/", "this prefix is reserved; choose another path")
    return PathPrefix.parse(prefix).plain


def _check_target(target: str, own: str, where: str) -> None:
    service, _, base = target.partition(":")
    if service == CONTROL_SERVICE:
        raise ConfigError(where, "leads to the orchestrator", "the control API cannot be mounted")
    if service == own:
        raise ConfigError(where, f"leads {own!r} to itself", "name another service")
    if not _TARGET.fullmatch(target):
        raise ConfigError(where, f"leads to {target!r}", "name a service, as user, or user:/people")
    if _BUILTIN.contains(base):
        raise ConfigError(where, f"leads to {target!r}", "built-in routes cannot be mounted")


def _unix(services: IServices, prefix: str, target: str) -> UnixDatasource:
    service, separator, base = target.partition(":")
    if separator:
        return UnixDatasource(services, service, prefix, base.rstrip("/"))
    return UnixDatasource(services, service, prefix, prefix)
