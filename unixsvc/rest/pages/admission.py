"""The admission of requests for pages: their limits, their metrics, and the access log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from unixsvc.domain.message import Request
from unixsvc.errors import ServiceError
from unixsvc.limiting.limiter import Limiter
from unixsvc.limiting.rate_limit import RateLimit
from unixsvc.rest.pages.users import PageUsers
from unixsvc.server.context import HandlerContext

__all__ = ["Ended", "PageAdmission"]

Ended: TypeAlias = Callable[[int, int], None]
"""Is called at the end of a request, with the code and the size of the response."""


class PageAdmission:
    """Admits requests for pages.

    :param context: the service.
    :ivar users: finds the users of pages.
    """

    def __init__(self, context: HandlerContext) -> None:
        self._track = context.handle.track
        self._limit_page = context.http.limit_page
        self._limiter: Callable[[], Limiter] | None = context.http.limiter
        self.users = PageUsers(context.http.users)
        self._checks: dict[str, Callable[[Request], None]] = {}

    def admit(self, message: Request) -> Ended:
        """Admit a request.

        :returns: to be called at its end.
        :raises unixsvc.errors.Unavailable: if ``max_inflight`` requests are pending.
        :raises unixsvc.errors.RateLimited: if the service has a rate limit, and it is exceeded.
        """
        ended = self._track(message)
        if self._limit_page is not None:
            try:
                self._limit_page(message)
            except ServiceError as error:
                ended(error.code, 0)
                error.headers = (*error.headers, *(message.reply_headers or ()))
                raise
        return ended

    def limit(self, message: Request, limits: Sequence[RateLimit], scope: str) -> None:
        """Apply the limits of one page.

        :param scope: the page.
        :raises unixsvc.errors.RateLimited: if one is exceeded.
        """
        check = self._checks.get(scope)
        if check is None:
            if self._limiter is None:
                return
            check = self._checks[scope] = self._limiter().check(limits, scope)
        check(message)
