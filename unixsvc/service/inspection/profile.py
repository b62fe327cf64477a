"""A profile of this process: which code uses the processor."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from types import FrameType
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc.errors import Conflict
from unixsvc.service.inspection.model import Profile

__all__ = ["Samples", "profile"]

_INTERVAL: Final = 0.01  # seconds of processor time
_MOST_STACKS: Final = 5000
_MOST_FRAMES: Final = 150
_FREE: Final = (None, signal.SIG_DFL, signal.SIG_IGN)
_OTHERS: Final = ("(other stacks)",)


class Samples:
    """Adds up the processor time of stacks.

    Each thread's time since its last sample counts for the stack that it has now. So threads that wait cost
    nothing, and the profile of a second has a second of processor time at most.

    :ivar count: the number of samples.
    :ivar overhead: the processor time of taking them, in nanoseconds.
    """

    def __init__(self) -> None:
        self._used: dict[int, int] = {}  # nanoseconds by thread
        self.stacks: Counter[tuple[str, ...]] = Counter()
        self.count = 0
        self.overhead = 0

    def add(self, frames: Mapping[int, FrameType], used: Mapping[int, int]) -> None:
        """Add a sample.

        :param frames: the innermost frame of each thread.
        :param used: the processor time of each thread so far, in nanoseconds.
        """
        self.count += 1
        for thread, frame in frames.items():
            before = self._used.get(thread)
            self._used[thread] = used[thread]
            if before is not None and used[thread] > before:
                stack = _stack_of(frame)
                if stack not in self.stacks and len(self.stacks) >= _MOST_STACKS:
                    stack = _OTHERS
                self.stacks[stack] += used[thread] - before


async def profile(reactor: IReactorTime, seconds: float) -> Profile:
    """Take a sample of all threads in each hundredth of a second of processor time.

    The kernel sends SIGPROF then, and Python interrupts its main thread where it is. A thread for samples
    would get its turn only when the event loop waits, and see nothing else. An idle process is not
    interrupted.

    :raises Conflict: if something else uses the signal.
    """
    if signal.getsignal(signal.SIGPROF) not in _FREE:
        raise Conflict("SIGPROF is in use: by another profile, or by the application")
    samples, started = Samples(), time.monotonic()

    def sample(number: int, frame: FrameType | None) -> None:
        before = time.thread_time_ns()
        frames = sys._current_frames()
        if frame is not None:
            frames[main] = frame  # without this function
        # The threads exist as long as this one has the lock of the interpreter.
        used = {each: time.clock_gettime_ns(time.pthread_getcpuclockid(each)) for each in frames}
        used[main] -= samples.overhead
        samples.add(frames, used)
        samples.overhead += time.thread_time_ns() - before

    main = threading.main_thread().ident or 0
    signal.signal(signal.SIGPROF, sample)
    signal.siginterrupt(signal.SIGPROF, False)  # libraries in C may not expect interrupted system calls
    signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
    try:
        await deferLater(reactor, seconds)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        # By default, a signal that is pending would end the process.
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
    stacks = {";".join(stack): nanoseconds / 1e9 for stack, nanoseconds in samples.stacks.items()}
    return Profile(time.monotonic() - started, samples.count, samples.overhead / 1e9, stacks)


def _stack_of(frame: FrameType | None) -> tuple[str, ...]:
    names: list[str] = []
    while frame is not None and len(names) < _MOST_FRAMES:
        code = frame.f_code
        file = "/".join(code.co_filename.rsplit("/", 2)[-2:])
        names.append(f"{code.co_qualname} ({file}:{code.co_firstlineno})".replace(";", ","))
        frame = frame.f_back
    return tuple(reversed(names))
