"""The errors of the framework, with one base class.

A :class:`ServiceError` carries the data that peers may see: the code, the standard message of the code, and
details. Any other exception reaches a peer as 500 without details.
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
    "UpgradeRequired",
    "WrongToken",
    "error_from",
]


class ServiceError(Exception):
    """An error that peers may see.

    Subclasses set ``code`` and ``message`` as class arguments, ``class Sold(Conflict, message="Sold out")``,
    or as attributes.

    :ivar code: the code on the wire, as in ``docs/reference/errors.rst``.
    :ivar message: the standard message of the code.
    :ivar detail: the details of this error, any data that JSON can represent.
    :ivar internal: true if the details are not for peers, as they name places on this machine.
    :ivar headers: names and values of header fields that the response has over HTTP.
    """

    code: ClassVar[int] = 500
    internal: ClassVar[bool] = False
    message: str = "Internal Server Error"
    detail: Any = None  # on the class, for subclasses whose __init__ does not call this one
    headers: tuple[tuple[str, str], ...] = ()

    def __init_subclass__(cls, *, code: int | None = None, message: str | None = None) -> None:
        super().__init_subclass__()
        if code is not None:
            cls.code = code
        if message is not None:
            cls.message = message

    def __init__(self, detail: Any = None) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        text = f"{self.code} {self.message}"
        return text if self.detail is None else f"{text}: {self.detail}"


class Malformed(ServiceError, code=400, message="Bad request"):
    """The message is JSON, but not a request: it is not an object, or a field has the wrong type."""


class NotJSON(Malformed):
    """The bytes are not JSON, so the position of the next message is unknown."""


class Unauthorized(ServiceError, code=401, message="Unauthorized"):
    """The token is missing or wrong."""


class WrongToken(Unauthorized):
    """The token is wrong."""


class Forbidden(ServiceError, code=403, message="Forbidden"):
    """The caller is known, but has no permission."""


class NotFound(ServiceError, code=404, message="Not found"):
    """The path, or the resource behind it, does not exist."""


class MethodNotAllowed(ServiceError, code=405, message="Method not allowed"):
    """The path exists, but not with this method.

    :param allowed: the methods of the path.
    """

    def __init__(self, allowed: list[str]) -> None:
        super().__init__({"allowed": allowed})


class Incomplete(ServiceError, code=408, message="Request timeout"):
    """No complete message arrived in time."""


class Conflict(ServiceError, code=409, message="Conflict"):
    """The action contradicts the state of the resource."""


class Gone(ServiceError, code=410, message="Gone"):
    """The resource has been removed."""


class TooLarge(ServiceError, code=413, message="Message too large"):
    """The message exceeds the size limit.

    :param limit: the limit in bytes.
    :param setting: what sets it: ``max_message_bytes`` of the configuration, or ``max_body`` of a route.
    """

    def __init__(self, limit: int, setting: str = "max_message_bytes") -> None:
        super().__init__({setting: limit})


class Invalid(ServiceError, code=422, message="Invalid arguments"):
    """The arguments are invalid; the details are a list of ``{field, message}``."""


class _Retry(ServiceError):
    """A temporary error.

    :param retry_after: the time after which a retry makes sense, in seconds.
    """

    def __init__(self, retry_after: float = 1.0) -> None:
        super().__init__({"retry_after": retry_after})


class UpgradeRequired(ServiceError, code=426, message="Upgrade required"):
    """The route is a WebSocket, and the request is no handshake of a version that is supported."""


class RateLimited(_Retry, code=429, message="Too many requests"):
    """A configured rate is exceeded."""


class Cancelled(ServiceError, code=499, message="Cancelled"):
    """The caller has cancelled the request or disconnected."""


class Internal(ServiceError):
    """The action failed. The reason does not leave the process."""


class BadGateway(ServiceError, code=502, message="Bad gateway"):
    """A service behind this one sent an invalid reply."""


class Unavailable(_Retry, code=503, message="Service unavailable"):
    """The service is overloaded, starting or draining."""


class DeadlineExceeded(ServiceError, code=504, message="Deadline exceeded"):
    """The deadline of the request has passed."""


class ConfigError(ServiceError):
    """Something that a person has configured or written cannot work.

    The message is one line for that person: where, what, and what to do. Peers see it as a 500.

    :param where: the file, key, route or path.
    :param problem: the problem with it.
    :param remedy: the action that solves the problem, unless the problem implies it.
    """

    def __init__(self, where: str, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        line = f"{_cut(self.where, 400)}: {_cut(self.problem, 1000)}"
        return " ".join((f"{line}; {_cut(self.remedy, 500)}" if self.remedy else line).splitlines())


def _cut(text: str, most: int) -> str:
    """A text that may quote a name or a value of any length, without its middle if it is too long."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[1 - most // 2 :]}"


_BY_CODE: dict[int, type[ServiceError]] = {
    error.code: error
    for error in (
        Malformed, Unauthorized, Forbidden, NotFound, MethodNotAllowed, Incomplete, Conflict, Gone, TooLarge,
        Invalid, RateLimited, Cancelled, Internal, BadGateway, Unavailable, DeadlineExceeded,
    )
}  # fmt: skip


def error_from(code: int, detail: Any = None, message: str = "") -> ServiceError:
    """Return the error for an error reply.

    :param code: the code; an unknown code gives a plain :class:`ServiceError` with that code.
    :param detail: the details of the reply.
    :param message: the message of the reply; if empty, the standard message of the code.
    """
    error_type = _BY_CODE.get(code)
    if error_type is None:
        error_type = type("ServiceError", (ServiceError,), {"code": code, "message": "Failure"})
    error = error_type.__new__(error_type)
    ServiceError.__init__(error, detail)  # subclasses compute the details from other values
    if message:
        error.message = message
    return error
