"""Interceptors on the client's side: what the clients for Twisted, asyncio and threads share. Pure."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from msgspec import Raw

from unixsvc.domain.message import Reply, Request
from unixsvc.errors import DeadlineExceeded
from unixsvc.interception.call import Call, Interceptor
from unixsvc.interception.chain import check_interceptors, compose, own_call

__all__ = ["ClientInterceptors", "Send"]

Send: TypeAlias = Callable[[Request, float | None], Awaitable[Reply]]
"""Makes the call of a request, within some seconds; None for no limit."""


class ClientInterceptors:
    """The interceptors of a client.

    :raises unixsvc.errors.ConfigError: if one of them cannot be called.
    """

    def __init__(self, interceptors: Sequence[Interceptor]) -> None:
        check_interceptors(interceptors, "interceptors")
        self._proceed = compose(interceptors, _send)

    def call(
        self,
        service: str,
        method: str,
        target: str,
        data: Raw,
        meta: dict[str, str],
        timeout: float | None,
        send: Send,
    ) -> Awaitable[Reply]:
        """Make a call through the interceptors. All attempts of it are one call for them.

        :param target: the path, with the query.
        :param timeout: of the call, in seconds; None for none. What interceptors take is part of it.
        :param send: makes the call.
        """
        path, _, query = target.partition("?")
        request = Request(method, path, data, query, timeout=timeout, meta=meta)
        call = _SentCall(service, request, "client", None, time.monotonic)
        call.send = send
        return self._proceed(call)


class _SentCall(Call):
    """A call on the client's side.

    :ivar send: makes it.
    """

    __slots__ = ("send",)

    send: Send


async def _send(call: Call) -> Reply:
    sent = own_call(call, _SentCall)
    timeout = call.request.timeout
    left = None if timeout is None else timeout - call.seconds
    if left is not None and left <= 0:
        raise DeadlineExceeded
    return await sent.send(call.request, left)
