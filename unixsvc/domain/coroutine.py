"""Coroutines whose first step has run.

Most actions finish in their first step. These cost no Deferred and no task; only a coroutine that has to wait
becomes a :class:`SuspendedCoroutine`.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar, overload

__all__ = ["SuspendedCoroutine", "await_result", "run_without_waiting", "start"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class SuspendedCoroutine(Generic[_T_co]):
    """A coroutine that waits. Awaiting the object resumes the coroutine.

    :ivar coroutine: to be sent the result of ``awaited``.
    :ivar awaited: the object that the last step yielded, as a Deferred.
    """

    __slots__ = ("awaited", "coroutine")

    def __init__(self, coroutine: Coroutine[object, Any, _T_co], awaited: object) -> None:
        self.coroutine = coroutine
        self.awaited = awaited

    def __await__(self) -> Generator[object, object, _T_co]:
        coroutine, awaited = self.coroutine, self.awaited
        try:
            while True:
                try:
                    sent = yield awaited
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:  # every exception is thrown into the coroutine
                    awaited = coroutine.throw(error)
                else:
                    awaited = coroutine.send(sent)
        except StopIteration as stop:
            result: _T_co = stop.value
            return result


def start(coroutine: Coroutine[object, Any, _T]) -> _T | SuspendedCoroutine[_T]:
    """Run the first step of a coroutine.

    :returns: the result if the coroutine has finished.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration as stop:
        result: _T = stop.value
        return result
    return SuspendedCoroutine(coroutine, awaited)


def run_without_waiting(coroutine: Coroutine[object, Any, _T]) -> _T:
    """Run a coroutine that never waits.

    :raises RuntimeError: if it waits; it is closed then.
    """
    result = start(coroutine)
    if isinstance(result, SuspendedCoroutine):
        coroutine.close()
        raise RuntimeError("a coroutine waits, although it must not")
    return result


@overload
async def await_result(result: SuspendedCoroutine[_T]) -> _T: ...
@overload
async def await_result(result: _T) -> _T: ...
async def await_result(result: object) -> object:
    """Return the result of :func:`start`, waiting for it if the coroutine is suspended."""
    return await result if isinstance(result, SuspendedCoroutine) else result
