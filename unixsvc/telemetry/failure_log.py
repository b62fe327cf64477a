"""The log of the failures whose details peers must not see."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import implementer

from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import Cancelled, ServiceError
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["FailureLog"]


@implementer(IFailureLog)
class FailureLog:
    """Logs the failures of actions with the id of the request, at a limited rate.

    :param service: the name of the service.
    :param report: called with each exception that peers must not see, after it is logged, and with the
        request; None for no function.
    """

    def __init__(
        self, service: str, report: Callable[[BaseException, Request], object] | None = None
    ) -> None:
        self._log = LimitedLogger(service)
        self._report = report

    def failed(self, request: Request, error: BaseException) -> None:
        """Log an exception that the peer must not see."""
        self._log.failure(
            "{method} {path} failed: {exception!r}",
            error,
            method=request.method,
            path=request.path,
            exception=error,
            request_id=request.request_id,
        )
        self.report(request, error)

    def report(self, request: Request, error: BaseException) -> None:
        """Pass an exception that is logged to the function of the application, if there is one."""
        if self._report is None:
            return
        try:
            self._report(error, request)
        # BaseException, because even sys.exit() in the application's hook must not change the reply.
        except BaseException as problem:
            self._log.failure(
                "the error_hook has failed: {exception!r}",
                problem,
                exception=problem,
                request_id=request.request_id,
            )

    def internal(self, request: Request, error: ServiceError) -> None:
        """Log the details of an error that the peer gets without them."""
        self._log.emit(
            "warn",
            f"a request failed with {error.code}",
            "{method} {path} failed: {code} {title}: {detail}",
            method=request.method,
            path=request.path,
            code=error.code,
            title=error.message,
            detail=error.detail,
            request_id=request.request_id,
        )

    def aborted(self, request: Request, code: int) -> None:
        """Log that an action was cancelled or exceeded its deadline."""
        # Deadlines of callers have a limit of their own: callers choose them, and cannot hide a slow action.
        by_caller = "" if code == Cancelled.code or request.timeout is None else " (set by the caller)"
        message = "{method} {path} exceeded its deadline"
        if code == Cancelled.code:
            message = "{method} {path} was cancelled"
        self._log.emit(
            "info",
            message.removeprefix("{method} {path} ") + by_caller,
            message,
            method=request.method,
            path=request.path,
            request_id=request.request_id,
        )

    def wrong_token(self, request: Request) -> None:
        """Log who has sent a wrong token."""
        peer = request.peer
        # Known where reverse proxies are trusted. On a Unix socket the caller could have chosen it.
        address = request.meta.get("client_address")
        over_http = "over HTTP" if address is None else f"over HTTP from {address}"
        self._log.emit(
            "warn",
            "a wrong token",
            "a wrong token {sender}",
            sender=over_http if peer.uid is None else f"from user {peer.uid} (process {peer.pid})",
            request_id=request.request_id,
        )

    def foreign_request(
        self, request: Request, error: ServiceError, client: str, header: str, value: bytes
    ) -> None:
        """Log that an HTTP request was refused because of a header that a browser sets.

        :param client: its address.
        """
        self._log.emit(
            "warn",
            f"a request was refused because of its {header} ({error.code})",
            "a request from {client} was refused ({code}): its {header} is {value!r}",
            client=client,
            code=error.code,
            header=header,
            value=shortened(value.decode("latin-1")),
            request_id=request.request_id,
        )
