"""Interceptors around pages: Klein routes, and those of the documentation. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from unixsvc.domain.message import Reply, Request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.errors import ServiceError
from unixsvc.interception.call import Call, Interceptor
from unixsvc.interception.chain import compose, error_of, own_call

__all__ = ["Page", "PageInterceptors", "PageOutcome"]

_FAILURE: Final = 400


class PageOutcome(Struct, frozen=True):
    """How a page has ended.

    :ivar reply: what interceptors see of it: the code of the response, and no body.
    :ivar finish: returns what the page has returned, or raises what it has raised.
    """

    reply: Reply
    finish: Callable[[], object]


Page: TypeAlias = Callable[[], Awaitable[PageOutcome]]
"""Calls a page. It raises what the page raises, unless that has a response of its own."""


class PageInterceptors:
    """Calls the interceptors of an application around its pages.

    :param service: the name of the service.
    :param now: a monotonic clock, in seconds.
    """

    def __init__(self, service: str, interceptors: Sequence[Interceptor], now: Callable[[], float]) -> None:
        self._service = service
        self._proceed = compose(interceptors, _serve)
        self._now = now

    async def around(
        self, request: Request, find_route: Callable[[Request], RouteInfo | None], page: Page
    ) -> PageOutcome | Reply:
        """Call the interceptors around a page.

        :returns: the outcome of the page if no interceptor has replaced it, or else the reply of one.
        :raises Exception: of the page, or of an interceptor.
        """
        call = _PageCall(self._service, request, "server", find_route, self._now)
        call.serve = page
        call.ended(None, None)
        try:
            reply = await self._proceed(call)
        except ServiceError as error:
            if call.outcome is not None and error is call.error:
                return call.outcome
            raise
        outcome = call.outcome
        return outcome if outcome is not None and reply is outcome.reply else reply


class _PageCall(Call):
    """A call of a page.

    :ivar serve: calls the page.
    :ivar outcome: of the page, when it has ended with a response.
    :ivar error: the same for interceptors, if the response is an error.
    """

    __slots__ = ("error", "outcome", "serve")

    serve: Page
    outcome: PageOutcome | None
    error: ServiceError | None

    @property
    def is_page(self) -> bool:
        return True

    def ended(self, outcome: PageOutcome | None, error: ServiceError | None) -> None:
        self.outcome, self.error = outcome, error

    def set_path(self, path: str) -> None:
        raise RuntimeError("the page of this request has been found already: set_path() is for actions")


async def _serve(call: Call) -> Reply:
    served = own_call(call, _PageCall)
    served.ended(None, None)
    outcome = await served.serve()
    error = error_of(outcome.reply) if outcome.reply.code >= _FAILURE else None
    served.ended(outcome, error)
    if error is not None:
        raise error
    return outcome.reply
