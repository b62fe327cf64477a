"""Coroutines whose first step is done. Most have no second one, and then nothing is left to carry on."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar, overload

__all__ = ["SuspendedCoroutine", "await_result", "start"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class SuspendedCoroutine(Generic[_T_co]):
    """A coroutine that waits. To await it goes on with it.

    :ivar coroutine: goes on when it is sent what it waits for.
    :ivar waiting: what its last step yielded.
    """

    __slots__ = ("coroutine", "waiting")

    def __init__(self, coroutine: Coroutine[Any, Any, _T_co], waiting: Any) -> None:
        self.coroutine = coroutine
        self.waiting = waiting

    def __await__(self) -> Generator[Any, Any, _T_co]:
        coroutine, waiting = self.coroutine, self.waiting
        try:
            while True:
                try:
                    sent = yield waiting
                except GeneratorExit:
                    coroutine.close()
                    raise
                except BaseException as error:  # it is for the coroutine, whatever it is
                    waiting = coroutine.throw(error)
                else:
                    waiting = coroutine.send(sent)
        except StopIteration as stop:
            result: _T_co = stop.value
            return result


def start(coroutine: Coroutine[Any, Any, _T]) -> _T | SuspendedCoroutine[_T]:
    """Run a coroutine's first step.

    :returns: its result, if that was all.
    """
    try:
        waiting = coroutine.send(None)
    except StopIteration as stop:
        result: _T = stop.value
        return result
    return SuspendedCoroutine(coroutine, waiting)


@overload
async def await_result(suspended: SuspendedCoroutine[_T]) -> _T: ...
@overload
async def await_result(suspended: _T) -> _T: ...
async def await_result(suspended: Any) -> Any:
    """The result of what is begun, or is the result already."""
    return await suspended if isinstance(suspended, SuspendedCoroutine) else suspended
