"""Runs Klein routes within the interceptors of the application."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CoroutineType
from typing import NoReturn

from twisted.internet.defer import Deferred
from werkzeug.exceptions import HTTPException

from unixsvc.domain.message import Reply, Request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.interception.pages import PageInterceptors, PageOutcome
from unixsvc.rest.encode import ResponseBuilder
from unixsvc.rest.web.klein_app import Call
from unixsvc.rest.web.klein_call import KleinCall
from unixsvc.rest.web.responses import remove_body_headers, set_response

__all__ = ["InterceptedPages"]


class InterceptedPages:
    """Runs pages within interceptors.

    :param call: calls a coroutine function, which may await asyncio and Deferreds.
    :param find_route: finds the route of a page.
    """

    def __init__(
        self,
        interceptors: PageInterceptors,
        builder: ResponseBuilder,
        call: Callable[..., object],
        find_route: Callable[[Request], RouteInfo | None],
    ) -> None:
        self._interceptors = interceptors
        self._builder = builder
        self._call = call
        self._find_route = find_route

    def around(self, klein_call: KleinCall, page: Call) -> Call:
        """Return what calls the interceptors around a page, or around an error handler without one."""
        klein_call.intercepted = True
        return partial(self._call, self._intercept, klein_call, page)

    async def _intercept(self, klein_call: KleinCall, page: Call) -> object:
        found = await self._interceptors.around(
            klein_call.message, self._find_route, partial(_outcome, klein_call, page)
        )
        return found.finish() if isinstance(found, PageOutcome) else self._replace(found, klein_call)

    def _replace(self, reply: Reply, klein_call: KleinCall) -> bytes:
        """Set the response that an interceptor has returned; the result is its body."""
        request = klein_call.request
        if reply.items is not None or (reply.head is not None and reply.head.file is not None):
            raise TypeError("an interceptor cannot answer a Klein route with a stream or a file")
        if request.startedWriting:
            raise RuntimeError("the Klein route has begun its response: no interceptor can replace it")
        remove_body_headers(request)
        return set_response(request, self._builder.from_reply(reply, klein_call.context))


async def _outcome(klein_call: KleinCall, page: Call) -> PageOutcome:
    try:
        result = page()
        if isinstance(result, Deferred | CoroutineType):
            result = await result
    except HTTPException as error:  # a response of werkzeug, or one of the application's error handlers
        return PageOutcome(_reply_of(error), partial(_raise, error))
    return PageOutcome(Reply(klein_call.request.code), lambda: result)


def _reply_of(error: HTTPException) -> Reply:
    code = error.code
    if code is None or error.response is not None:
        code = error.get_response({}).status_code
    return Reply(code, b"", error.name, error.description)


def _raise(error: Exception) -> NoReturn:
    raise error
