"""Calls to other services through the interceptors of an application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Unpack, cast

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred
from zope.interface import implementer

from unixsvc.client.calls import make_call, require_decodable, result_of
from unixsvc.client.connection import Call
from unixsvc.client.intercepted import (
    InterceptedStream,
    items_of,
    open_result,
    raw_result,
    reply_of,
    send_through,
)
from unixsvc.datasource.service_clients import ServiceVerbs
from unixsvc.domain.action_runner import ActionRunner
from unixsvc.domain.call_options import CallOptions, OpenOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.json import Json
from unixsvc.domain.message import Created, Reply, Request
from unixsvc.domain.request_context import current_request
from unixsvc.domain.trace_context import inherited_meta
from unixsvc.interception.call import Interceptor
from unixsvc.interception.client import ClientInterceptors, Send

__all__ = ["InterceptedServices"]


@implementer(IServices)
class InterceptedServices(ServiceVerbs):
    """Calls other services, with the interceptors of the application around each call.

    :param services: makes the calls.
    :param runner: runs the interceptors, which are application code.
    """

    def __init__(
        self, services: IServices, interceptors: Sequence[Interceptor], runner: ActionRunner
    ) -> None:
        self._services: Any = services  # a zope interface has no types for callers
        self._interceptors = ClientInterceptors(interceptors)
        self._runner = runner

    def call(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[CallOptions],
    ) -> Deferred[ResultT]:
        """Call a service, as :meth:`unixsvc.IServices.call`."""
        key = options.get("idempotency_key")
        call = make_call(method, path, data, _inherited(options), key)
        if type is not Json:
            require_decodable(type)

        async def send(request: Request, left: float | None) -> Reply:
            result = self._services.call(
                service, request.method, _target(request), request.data, type=Raw, **_options(request, left)
            )
            return reply_of(_as_json(await result))

        async def start() -> ResultT:
            reply = await self._send(service, call, options.get("timeout"), send)
            return cast(ResultT, result_of(raw_result(reply), type))

        return Deferred.fromCoroutine(start())

    def stream(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[ResultT]:
        """Call a service for a stream, as :meth:`unixsvc.IServices.stream`."""
        call = make_call(method, path, data, _inherited(options))

        async def send(request: Request, left: float | None) -> Reply:
            stream = self._services.stream(
                service, request.method, _target(request), request.data, type=Raw, **_options(request, left)
            )
            return Reply(items=items_of(stream))

        return InterceptedStream(type, lambda: self._send(service, call, options.get("timeout"), send))

    def open(
        self, service: str, method: str, path: str, data: object = None, **options: Unpack[OpenOptions]
    ) -> Deferred[Raw | Created[Raw] | Reply | AsyncIterator[Raw]]:
        """Call a service for a result or a stream, as :meth:`unixsvc.IServices.open`."""
        call = make_call(method, path, data, _inherited(options))
        limit = options.get("limit")

        async def send(request: Request, left: float | None) -> Reply:
            result = self._services.open(
                service,
                request.method,
                _target(request),
                request.data,
                limit=limit,
                **_options(request, left),
            )
            return reply_of(await result)

        async def start() -> Raw | Created[Raw] | Reply | AsyncIterator[Raw]:
            return open_result(await self._send(service, call, options.get("timeout"), send))

        return Deferred.fromCoroutine(start())

    def _send(self, service: str, call: Call, timeout: float | None, send: Send) -> Awaitable[Reply]:
        return self._runner.run(send_through(self._interceptors, service, call, timeout, send))


def _inherited(options: StreamOptions) -> dict[str, str]:
    """The meta of a call, with what it has from the request that is being served, for interceptors to see."""
    current = current_request()
    meta = options.get("meta") or {}
    if current is None:
        return meta
    return inherited_meta(current[0]) | meta


def _as_json(result: object) -> Raw:
    """A result as JSON; one of a test may be a value, whatever the type."""
    return result if isinstance(result, Raw) else Raw(msgspec.json.encode(result))


def _target(request: Request) -> str:
    return f"{request.path}?{request.query}" if request.query else request.path


def _options(request: Request, left: float | None) -> StreamOptions:
    """The options of the call that is sent. The idempotency key is an entry of the meta by now."""
    return {"timeout": left, "meta": request.meta}
