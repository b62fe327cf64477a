"""Spans for the calls of a program's own clients."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from msgspec.structs import replace
from opentelemetry.trace import Tracer, get_tracer

from unixsvc.domain.message import Reply
from unixsvc.interception.call import Call, Proceed
from unixsvc.tracing.client import ClientSpans
from unixsvc.tracing.span import EndingSpan

__all__ = ["TracedCalls"]

_NAME: Final = "unixsvc"


class TracedCalls:
    """An interceptor that makes a span of each call of a client.

    ``Client("user", interceptors=[TracedCalls()])``
    It is the same for the clients for Twisted, asyncio and threads. All attempts of a call are one span.

    :param tracer: makes the spans; that of the global provider if None.
    """

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._spans = ClientSpans(tracer or get_tracer(_NAME), math.inf)

    async def __call__(self, call: Call, proceed: Proceed) -> Reply:
        """Make a call within a span."""
        request = call.request
        if not self._spans.is_recorded(request.meta):
            return await proceed(call)
        span, meta = self._spans.start(
            call.service, request.method, request.path, request.meta, request.timeout
        )
        for name, value in meta.items():
            call.set_meta(name, value)
        try:
            reply = await proceed(call)
        except BaseException as error:
            span.end_with(error)
            raise
        if reply.items is not None:
            return replace(reply, items=_counted(reply.items, span))
        span.end(reply.code)
        return reply


async def _counted(items: AsyncGenerator[bytes, None], span: EndingSpan) -> AsyncGenerator[bytes, None]:
    """The items of a stream, whose span ends with it."""
    span.items = 0
    try:
        async with aclosing(items):
            async for item in items:
                span.items += 1
                yield item
    except BaseException as error:
        span.end_with(error)
        raise
    span.end(200)
