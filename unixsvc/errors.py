"""Every failure that the framework knows, under one base.

A :class:`ServiceError` carries what a peer may see of it: the wire code, the standard message of that
code, and a detail. Whatever else goes wrong reaches a peer as 500 and nothing more.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "BadGateway",
    "Cancelled",
    "ConfigError",
    "Conflict",
    "DeadlineExceeded",
    "Forbidden",
    "Gone",
    "Incomplete",
    "Internal",
    "Invalid",
    "Malformed",
    "MethodNotAllowed",
    "NotFound",
    "NotJSON",
    "RateLimited",
    "ServiceError",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "error_from",
]


class ServiceError(Exception):
    """Something that a peer may be told.

    :ivar code: the wire code, as in ``docs/reference/errors.rst``.
    :ivar message: the standard words for that code.
    :ivar detail: what is particular to this failure, in any form that JSON can hold.
    """

    code: ClassVar[int] = 500
    message: str = "Internal Server Error"
    detail: Any = None  # also of an error whose own __init__ does not call this one

    def __init__(self, detail: Any = None) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        words = f"{self.code} {self.message}"
        return words if self.detail is None else f"{words}: {self.detail}"


class Malformed(ServiceError):
    """The message is JSON, but no request: no object, or a field of the wrong type."""

    code = 400
    message = "Bad request"


class NotJSON(Malformed):
    """The bytes are not JSON at all, so nothing that follows them can be trusted either."""


class Unauthorized(ServiceError):
    """No token, or a wrong one."""

    code = 401
    message = "Unauthorized"


class Forbidden(ServiceError):
    """The caller is known, and is not allowed to do this."""

    code = 403
    message = "Forbidden"


class NotFound(ServiceError):
    """No such path, or no such thing behind it."""

    code = 404
    message = "Not found"


class MethodNotAllowed(ServiceError):
    """The path exists, but not with this method.

    :param allowed: the methods that the path has.
    """

    code = 405
    message = "Method not allowed"

    def __init__(self, allowed: list[str]) -> None:
        super().__init__({"allowed": allowed})


class Incomplete(ServiceError):
    """No complete message arrived in time."""

    code = 408
    message = "Request timeout"


class Conflict(ServiceError):
    """The action contradicts the present state of things."""

    code = 409
    message = "Conflict"


class Gone(ServiceError):
    """What was asked for existed once."""

    code = 410
    message = "Gone"


class TooLarge(ServiceError):
    """The message exceeds the limit.

    :param limit: the largest accepted message, in bytes.
    """

    code = 413
    message = "Message too large"

    def __init__(self, limit: int) -> None:
        super().__init__({"max_message_bytes": limit})


class Invalid(ServiceError):
    """The arguments do not fit the action: a list of ``{field, message}``."""

    code = 422
    message = "Invalid arguments"


class _Retry(ServiceError):
    """Not now.

    :param retry_after: seconds after which another try makes sense.
    """

    def __init__(self, retry_after: float = 1.0) -> None:
        super().__init__({"retry_after": retry_after})


class RateLimited(_Retry):
    """A configured rate is exceeded."""

    code = 429
    message = "Too many requests"


class Cancelled(ServiceError):
    """The caller took the request back, or went away."""

    code = 499
    message = "Cancelled"


class Internal(ServiceError):
    """The action failed. Nothing of the reason leaves the process."""


class BadGateway(ServiceError):
    """A service behind this one answered nonsense."""

    code = 502
    message = "Bad gateway"


class Unavailable(_Retry):
    """Overloaded, starting or draining."""

    code = 503
    message = "Service unavailable"


class DeadlineExceeded(ServiceError):
    """The time for this request has passed."""

    code = 504
    message = "Deadline exceeded"


class ConfigError(ServiceError):
    """Something that a person has written, or set up on this machine, cannot work.

    It is meant for that person: one line that says where, what, and what to do. To a peer it is a 500.

    :param where: the file, key, route or path that is wrong.
    :param problem: what is wrong with it.
    :param remedy: what to do, where that is not plain from the problem.
    """

    def __init__(self, where: str, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        line = f"{self.where}: {self.problem}"
        return " ".join((f"{line}; {self.remedy}" if self.remedy else line).splitlines())


_BY_CODE: dict[int, type[ServiceError]] = {
    kind.code: kind
    for kind in (
        Malformed, Unauthorized, Forbidden, NotFound, MethodNotAllowed, Incomplete, Conflict, Gone, TooLarge,
        Invalid, RateLimited, Cancelled, Internal, BadGateway, Unavailable, DeadlineExceeded,
    )
}  # fmt: skip


def error_from(code: int, detail: Any = None, message: str = "") -> ServiceError:
    """The error that a failure on the wire stands for.

    :param code: its code; one that is not known is a plain :class:`ServiceError` with that code.
    :param message: its words, if they may be others than those that are usual for the code.
    """
    kind = _BY_CODE.get(code)
    if kind is None:
        kind = type("ServiceError", (ServiceError,), {"code": code, "message": "Failure"})
    error = kind.__new__(kind)
    ServiceError.__init__(error, detail)  # as each kind's own makes a detail from something else
    if message:
        error.message = message
    return error
