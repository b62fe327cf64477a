"""Several interceptors as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from unixsvc.domain.message import Reply
from unixsvc.errors import ConfigError, ServiceError, error_from
from unixsvc.interception.call import Call, Interceptor, Proceed

__all__ = ["check_interceptors", "compose", "error_of", "own_call"]

_CallT = TypeVar("_CallT", bound=Call)


def compose(interceptors: Sequence[Interceptor], last: Proceed) -> Proceed:
    """Return what calls interceptors, each around the next one.

    :param last: what the last one proceeds to.
    """
    proceed = last
    for interceptor in reversed(interceptors):
        proceed = _around(interceptor, proceed)
    return proceed


def check_interceptors(interceptors: Sequence[object], where: str) -> None:
    """Require that interceptors are functions, or objects that can be called.

    :param where: for the error message.
    :raises ConfigError: if one is not.
    """
    for interceptor in interceptors:
        if not callable(interceptor):
            problem = f"has a {type(interceptor).__name__}, which cannot be called"
            raise ConfigError(where, problem, "make it a function of (call, proceed)")


def own_call(call: Call, kind: type[_CallT]) -> _CallT:
    """Require that an interceptor has passed on the call that it was called with."""
    if not isinstance(call, kind):
        raise TypeError("proceed() takes the call that the interceptor has got")
    return call


def error_of(reply: Reply) -> ServiceError:
    """Return the error of an error reply."""
    error = error_from(reply.code, reply.detail, reply.message)
    if reply.head is not None:
        error.headers = reply.head.headers
    return error


def _around(interceptor: Interceptor, inner: Proceed) -> Proceed:
    async def proceed(call: Call) -> Reply:
        answer: object = interceptor(call, inner)
        if hasattr(answer, "__await__"):
            answer = await answer
        if not isinstance(answer, Reply):
            name = getattr(interceptor, "__qualname__", type(interceptor).__qualname__)
            kind = type(answer).__name__
            raise TypeError(f"the interceptor {name} has returned a {kind}: it must return a Reply")
        return answer

    return proceed
