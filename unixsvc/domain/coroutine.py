"""Coroutines whose first step is done. Most have no second one, and then nothing is left to carry on."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar, overload

__all__ = ["Begun", "begin", "finish"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)


class Begun(Generic[_T_co]):
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


def begin(coroutine: Coroutine[Any, Any, _T]) -> _T | Begun[_T]:
    """Run a coroutine's first step.

    :returns: its result, if that was all.
    """
    try:
        waiting = coroutine.send(None)
    except StopIteration as stop:
        result: _T = stop.value
        return result
    return Begun(coroutine, waiting)


@overload
async def finish(begun: Begun[_T]) -> _T: ...
@overload
async def finish(begun: _T) -> _T: ...
async def finish(begun: Any) -> Any:
    """The result of what is begun, or is the result already."""
    return await begun if isinstance(begun, Begun) else begun
