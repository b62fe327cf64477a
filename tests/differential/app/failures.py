"""Every exception that an action can raise, at every point where it can be raised."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from msgspec import Raw
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

import unixsvc
from unixsvc import GET, POST, Group, Route, ServiceError
from unixsvc.errors import ConfigError

_SECRET = "a secret of the inside"


class Teapot(ServiceError):
    """An error class of the application."""

    code = 418
    message = "I am a teapot"


class Odd(ServiceError):
    """An error with a code that HTTP does not have."""

    code = 799
    message = "Odd"


Name = Literal[
    "BadGateway", "Cancelled", "Conflict", "DeadlineExceeded", "Forbidden", "Gone", "Invalid", "NotFound",
    "ServiceError", "Unauthorized", "MethodNotAllowed", "RateLimited", "Unavailable", "Teapot", "Odd",
    "ConfigError", "RuntimeError", "ValueError", "SystemExit", "RecursionError", "CancelledError",
    "unspeakable", "unspeakable detail", "stray result",
]  # fmt: skip


def _fail(name: str, detail: Any) -> Any:
    """Raise the exception with this name."""
    if name == "unspeakable":
        return object()
    if name == "unspeakable detail":
        raise unixsvc.Conflict(object())
    if name == "stray result":
        return {1.5: {"deep": [complex(1, 2)]}}
    if name == "MethodNotAllowed":
        raise unixsvc.MethodNotAllowed(["PUT", "GET"])
    if name in ("RateLimited", "Unavailable"):
        raise getattr(unixsvc, name)(detail if isinstance(detail, float) else 2.5)
    if name == "ConfigError":
        raise ConfigError(_SECRET, _SECRET)
    raise _kind_of(name)(detail if _named(name) else _SECRET)


def _kind_of(name: str) -> type[BaseException]:
    own = {"Teapot": Teapot, "Odd": Odd, "CancelledError": asyncio.CancelledError}
    builtin = {each.__name__: each for each in (RuntimeError, ValueError, SystemExit, RecursionError)}
    kind: type[BaseException] = {**own, **builtin}.get(name) or getattr(unixsvc, name)
    return kind


def _named(name: str) -> bool:
    return issubclass(_kind_of(name), ServiceError)


class Failures:
    """Actions that fail as the request says.

    :param reactor: for delayed failures.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def now(self, name: Name, detail: Any = None) -> Any:
        """Fail in the first step of a coroutine."""
        return _fail(name, detail)

    def plain(self, name: Name, detail: Any = None) -> Any:
        """Fail in a plain function."""
        return _fail(name, detail)

    async def later(self, name: Name, detail: Any = None) -> Any:
        """Fail after waiting."""
        await deferLater(self._reactor, 0.0)
        return _fail(name, detail)

    def thread(self, name: Name, detail: Any = None) -> Any:
        """Fail in a thread."""
        return _fail(name, detail)

    async def broken(self) -> Raw:
        """Return a value that is not JSON."""
        return Raw(b'{"a": \xff')


FAILURES: list[Group | Route] = [
    Group("/fail", Failures, [
        GET("/now", Failures.now, public=True, errors=[Teapot, unixsvc.Conflict]),
        POST("/now", Failures.now),
        POST("/plain", Failures.plain),
        POST("/later", Failures.later),
        POST("/thread", Failures.thread, blocking=True),
        GET("/broken", Failures.broken),
    ]),
]  # fmt: skip
