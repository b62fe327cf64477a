"""Where a suspended coroutine waits: the frames of all that it awaits, and those of threads."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextvars import Context
from functools import partial
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType

from msgspec import Struct

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import slot_in
from unixsvc.execution.threads import ThreadRunner

__all__ = ["Frame", "request_of_thread", "stack_of", "thread_stack"]

# Deeper ones are recursions. Only the innermost frames matter then, and these would be reached last.
_MOST_FRAMES = 200
_SUSPENDABLE = (CoroutineType, GeneratorType, AsyncGeneratorType)


class Frame(Struct, frozen=True):
    """A place in code; ``line`` is the one that is being executed."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


def stack_of(awaitable: object) -> list[Frame]:
    """The frames of a suspended coroutine and of all that it awaits, the outermost first.

    Results of callbacks, as of Deferreds, do not know what they come from: the stack ends there.
    """
    frames = []
    following: object | None = awaitable
    seen = set[int]()
    while following is not None and id(following) not in seen and len(seen) < _MOST_FRAMES:
        seen.add(id(following))
        frame, following = _step_into(following)
        if frame is not None and not _is_wait(frame):
            frames.append(_describe(frame))
    return frames


def thread_stack(frame: FrameType) -> list[Frame]:
    """The frames of a thread, the outermost first.

    :param frame: the innermost one.
    """
    frames: list[Frame] = []
    outer: FrameType | None = frame
    while outer is not None and len(frames) < _MOST_FRAMES:
        frames.append(_describe(outer))
        outer = outer.f_back
    return frames[::-1]


def request_of_thread(frame: FrameType) -> tuple[Request, list[Frame]] | None:
    """The request whose action runs in a thread of a :class:`ThreadRunner`, and the frames of the action.

    :param frame: the innermost one, of ``sys._current_frames()``.
    :returns: None for any other thread.
    """
    below: list[Frame] = []
    outer: FrameType | None = frame
    while outer is not None:
        if outer.f_code is ThreadRunner._work.__code__:
            request = _request_of_job(outer.f_locals.get("function"))
            return None if request is None else (request, below[::-1])
        below.append(_describe(outer))
        outer = outer.f_back
    return None


def _request_of_job(function: object) -> Request | None:
    """The request in whose context a job is called: see :meth:`ThreadRunner.run`."""
    context = getattr(function.func, "__self__", None) if isinstance(function, partial) else None
    slot = slot_in(context) if isinstance(context, Context) else None
    return None if slot is None else slot.request


def _step_into(awaitable: object) -> tuple[FrameType | None, object | None]:
    """The frame of something that is awaited, and what it awaits itself."""
    if isinstance(awaitable, CoroutineType):
        return awaitable.cr_frame, awaitable.cr_await
    if isinstance(awaitable, AsyncGeneratorType):
        return awaitable.ag_frame, awaitable.ag_await
    if isinstance(awaitable, GeneratorType):
        frame, inner = awaitable.gi_frame, awaitable.gi_yieldfrom
        return frame, _driven_by(frame) if inner is None else inner
    return None, next(_behind(awaitable), None)


def _driven_by(frame: FrameType | None) -> object | None:
    """The coroutine that a generator of the framework drives by ``send``, without ``yield from``."""
    owner = None if frame is None else frame.f_locals.get("self")
    if isinstance(owner, SuspendedCoroutine):
        return owner.coroutine
    asyncio = sys.modules.get("asyncio")  # the orchestrator does not load it
    return owner.get_coro() if asyncio is not None and isinstance(owner, asyncio.Task) else None


def _behind(awaitable: object) -> Iterator[object]:
    """What an iterator in C awaits: those of coroutines, asynchronous generators and futures."""
    asyncio = sys.modules.get("asyncio")
    for candidate in (awaitable, *gc.get_referents(awaitable)):
        if isinstance(candidate, _SUSPENDABLE):
            yield candidate
        elif asyncio is not None and isinstance(candidate, asyncio.Task):
            yield candidate.get_coro()


def _is_wait(frame: FrameType) -> bool:
    """Whether a frame is that of a Deferred or of a future: where code waits is the frame before."""
    module = frame.f_globals.get("__name__", "")
    return module in ("twisted.internet.defer", "asyncio.futures")


def _describe(frame: FrameType) -> Frame:
    code = frame.f_code
    return Frame(code.co_filename, frame.f_lineno or code.co_firstlineno, code.co_qualname)
