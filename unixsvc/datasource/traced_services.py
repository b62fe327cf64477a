"""Calls to other services, with a span for each that is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Self, Unpack

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.datasource.service_clients import ServiceClients, ServiceVerbs
from unixsvc.domain.call_options import CallOptions, OpenOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.json import Json
from unixsvc.domain.message import Created, Reply
from unixsvc.errors import Cancelled
from unixsvc.tracing.client import ClientSpans
from unixsvc.tracing.span import EndingSpan

__all__ = ["TracedServices"]


@implementer(IServices)
class TracedServices(ServiceVerbs):
    """Calls other services. Calls of a request that is not recorded have no span, and pass that on.

    :param services: makes the calls.
    :param spans: makes the spans.
    """

    def __init__(self, services: ServiceClients, spans: ClientSpans) -> None:
        self._services = services
        self._spans = spans

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
        meta = options.get("meta")
        if not self._spans.is_recorded(meta):
            return self._services.call(service, method, path, data, type=type, **options)
        span, options["meta"] = self._spans.start(service, method, path, meta or {}, options.get("timeout"))
        try:
            result = self._services.call(service, method, path, data, type=type, **options)
        except Exception as error:
            span.end_with(error)
            raise
        return result.addBoth(partial(_ended, span))

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
        meta = options.get("meta")
        if not self._spans.is_recorded(meta):
            return self._services.stream(service, method, path, data, type=type, **options)
        span, options["meta"] = self._spans.start(service, method, path, meta or {}, options.get("timeout"))
        try:
            stream = self._services.stream(service, method, path, data, type=type, **options)
        except Exception as error:
            span.end_with(error)
            raise
        return _TracedItems(stream, span)

    def open(
        self, service: str, method: str, path: str, data: object = None, **options: Unpack[OpenOptions]
    ) -> Deferred[Any]:
        """Call a service for a result or a stream, as :meth:`unixsvc.IServices.open`."""
        meta = options.get("meta")
        if not self._spans.is_recorded(meta):
            return self._services.open(service, method, path, data, **options)
        timeout = options.get("limit", options.get("timeout"))
        span, options["meta"] = self._spans.start(service, method, path, meta or {}, timeout)
        try:
            result = self._services.open(service, method, path, data, **options)
        except Exception as error:
            span.end_with(error)
            raise
        return result.addBoth(partial(_opened, span))


def _ended(span: EndingSpan, result: Any) -> Any:
    """End the span with the result of a call, which is passed on."""
    if isinstance(result, Failure):
        span.end_with(result.value)  # type: ignore[arg-type]  # Twisted has no type for it
    else:
        span.end(result.code if isinstance(result, Reply) else 200)
    return result


def _opened(span: EndingSpan, result: Raw | Created[Raw] | Reply | AsyncIterator[Raw] | Failure) -> Any:
    if hasattr(result, "__anext__"):
        return _TracedItems(result, span)
    return _ended(span, result)


class _TracedItems:
    """A stream whose span ends with it. Its other attributes are those of the stream itself.

    :param items: a stream of a client.
    """

    def __init__(self, items: Any, span: EndingSpan) -> None:
        self._items = items
        self._span = span
        span.items = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._items, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next item."""
        try:
            item = await self._items.__anext__()
        except StopAsyncIteration:
            self._span.end(200)
            raise
        except BaseException as error:
            self._span.end_with(error)
            raise
        self._span.items = (self._span.items or 0) + 1
        return item

    async def aclose(self) -> None:
        """Cancel the stream."""
        try:
            await self._items.aclose()
        finally:
            self._span.end(Cancelled.code)

    def __del__(self) -> None:
        # A stream that nothing has read to its end.
        self._span.end(Cancelled.code)
