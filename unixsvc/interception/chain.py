"""Several interceptors as one."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Final, TypeVar

from unixsvc.domain.message import Reply
from unixsvc.errors import ConfigError, ServiceError, error_from
from unixsvc.interception.call import Call, Interceptor, Proceed

__all__ = ["check_interceptors", "compose", "error_of", "own_call"]

_REMEDY: Final = "make it a function of (call, proceed)"
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
            raise ConfigError(where, problem, _REMEDY)
        if not _takes_two(interceptor):
            name = getattr(interceptor, "__qualname__", type(interceptor).__qualname__)
            raise ConfigError(where, f"has {name}, which does not take (call, proceed)", _REMEDY)


def _takes_two(interceptor: object) -> bool:
    """Whether an interceptor, or an instance of it if it is a class, can be called with two arguments."""
    is_class = isinstance(interceptor, type)
    function = inspect.getattr_static(interceptor, "__call__", None) if is_class else interceptor
    if not callable(function):
        return not is_class
    try:
        inspect.signature(function).bind(*[None] * (3 if is_class else 2))
    except TypeError:
        return False
    except ValueError:  # a function of C without a signature
        return True
    return True


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
