"""Actions that wait until another request lets them go on, so that no test depends on time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from unixsvc import GET, POST, Cancelled, Group, Route, ServiceError


class Gate:
    """Something to wait at.

    :ivar open: whether there is nothing to wait for any more.
    :ivar starts: how many have come to it.
    :ivar ends: how those that waited have ended.
    """

    def __init__(self) -> None:
        self.open = False
        self.thread = threading.Event()
        self.starts = 0
        self.ends: list[str] = []
        self._waiting: list[Deferred[None]] = []
        self._watching: list[tuple[Callable[[], bool], Deferred[None]]] = []

    async def passed(self) -> None:
        """Wait until it is open."""
        self.started()
        if not self.open:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def opens(self) -> int:
        """Let all go on; how many waited."""
        self.open = True
        self.thread.set()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(None)
        return len(waiting)

    def started(self) -> None:
        """One has come."""
        self.starts += 1
        self._look()

    def ended(self, how: str) -> None:
        """One has ended."""
        self.ends.append(how)
        self._look()

    async def watched(self, test: Callable[[], bool]) -> None:
        """Wait until this is so."""
        if not test():
            watching: Deferred[None] = Deferred()
            self._watching.append((test, watching))
            await watching

    def _look(self) -> None:
        ready = [each for test, each in self._watching if test()]
        self._watching = [each for each in self._watching if each[1] not in ready]
        for each in ready:
            if not each.called:
                each.callback(None)


class Gates:
    """All of them, by name; each is there when it is first spoken of."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def __getitem__(self, name: str) -> Gate:
        return self._gates.setdefault(name, Gate())


ALL_GATES = Gates()


def _how(error: BaseException) -> str:
    return f"{type(error).__name__} {error.code}" if isinstance(error, ServiceError) else type(error).__name__


class Waiting:
    """Waits at gates."""

    async def wait(self, name: str, value: Any = None) -> Any:
        """Wait, and give a value."""
        gate = ALL_GATES[name]
        try:
            await gate.passed()
        except BaseException as error:
            gate.ended(_how(error))
            raise
        gate.ended("passed")
        return value

    async def shielded(self, name: str, value: Any = None) -> Any:
        """Wait, whether the caller still wants it or not."""
        return await self.wait(name, value)

    async def stubborn(self, name: str, value: Any = None) -> Any:
        """Wait, and answer all the same when the request is taken back."""
        try:
            return await self.wait(name, value)
        except (Cancelled, CancelledError, ServiceError):
            return "stubborn"

    async def slow(self, name: str) -> Any:
        """Wait, and wait again to clean up."""
        try:
            return await self.wait(name)
        finally:
            await ALL_GATES[f"{name}.clean"].passed()

    async def another(self, name: str) -> Any:
        """Wait, and fail with something else than what it was ended with."""
        try:
            return await self.wait(name)
        except ServiceError:
            raise RuntimeError("not what it was ended with") from None

    def thread(self, name: str, value: Any = None) -> Any:
        """Wait in a thread."""
        ALL_GATES[name].thread.wait(60)
        ALL_GATES[name].ended("passed")
        return value

    async def opens(self, name: str) -> str:
        """Let all go on that wait."""
        ALL_GATES[name].opens()
        return "open"

    async def ends(self, name: str, count: int = 1) -> list[str]:
        """Wait until so many have ended, and tell how."""
        gate = ALL_GATES[name]
        await gate.watched(lambda: len(gate.ends) >= count)
        return sorted(gate.ends)

    async def started(self, name: str, count: int = 1) -> str:
        """Wait until so many have come."""
        gate = ALL_GATES[name]
        await gate.watched(lambda: gate.starts >= count)
        return "started"


GATES: list[Group | Route] = [
    Group("/gate/{name}", Waiting, [
        GET("", Waiting.wait, public=True),
        POST("", Waiting.wait),
        GET("/shielded", Waiting.shielded, shield=True),
        POST("/shielded", Waiting.shielded, shield=True),
        GET("/stubborn", Waiting.stubborn),
        GET("/slow", Waiting.slow),
        GET("/another", Waiting.another),
        GET("/thread", Waiting.thread, blocking=True),
        POST("/open", Waiting.opens),
        GET("/ends", Waiting.ends),
        GET("/started", Waiting.started),
    ]),
]  # fmt: skip
