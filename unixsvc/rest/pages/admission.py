"""The admission of requests for pages: their limits, their metrics, and the access log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
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
    :ivar admit: admits a request, and returns what is to be called at its end. It raises Unavailable if
        ``max_inflight`` requests are pending, and RateLimited if the rate limit of the service is exceeded.
    """

    admit: Callable[[Request], Ended]

    def __init__(self, context: HandlerContext) -> None:
        self._track = context.handle.track
        limit = context.http.limit_page
        self.admit = context.handle.track if limit is None else partial(self._admit_within, limit)
        self._limiter: Callable[[], Limiter] | None = context.http.limiter
        self.users = PageUsers(context.http.users)
        self._checks: dict[str, Callable[[Request], None]] = {}

    def _admit_within(self, limit: Callable[[Request], None], message: Request) -> Ended:
        ended = self._track(message)
        try:
            limit(message)
        except ServiceError as error:
            ended(error.code, 0)
            error.headers = (*error.headers, *message.reply_headers)
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
