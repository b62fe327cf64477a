"""Actions that wait until another request opens a gate, so that no conversation depends on time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from unixsvc import GET, POST, Cancelled, Group, Route, ServiceError


class Gate:
    """A named event that actions wait for.

    :ivar open: whether the gate is open.
    :ivar starts: the number of actions that have started to wait.
    :ivar ends: how these actions have ended.
    """

    def __init__(self) -> None:
        self.open = False
        self.thread = threading.Event()
        self.starts = 0
        self.ends: list[str] = []
        self._waiting: list[Deferred[None]] = []
        self._watching: list[tuple[Callable[[], bool], Deferred[None]]] = []

    async def passed(self) -> None:
        """Wait until the gate is open."""
        self.started()
        if not self.open:
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def opens(self) -> int:
        """Open the gate; returns the number of waiting actions."""
        self.open = True
        self.thread.set()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.callback(None)
        return len(waiting)

    def started(self) -> None:
        """Count an action that starts."""
        self.starts += 1
        self._poll()

    def ended(self, how: str) -> None:
        """Record how an action has ended."""
        self.ends.append(how)
        self._poll()

    async def watched(self, test: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        if not test():
            watching: Deferred[None] = Deferred()
            self._watching.append((test, watching))
            await watching

    def _poll(self) -> None:
        ready = [each for test, each in self._watching if test()]
        self._watching = [each for each in self._watching if each[1] not in ready]
        for each in ready:
            if not each.called:
                each.callback(None)


class Gates:
    """All gates by name; each is created on first use."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def __getitem__(self, name: str) -> Gate:
        return self._gates.setdefault(name, Gate())


ALL_GATES = Gates()


def _how(error: BaseException) -> str:
    return f"{type(error).__name__} {error.code}" if isinstance(error, ServiceError) else type(error).__name__


class Waiting:
    """Actions that wait at gates."""

    async def wait(self, name: str, value: Any = None) -> Any:
        """Wait, and return a value."""
        gate = ALL_GATES[name]
        try:
            await gate.passed()
        except BaseException as error:
            gate.ended(_how(error))
            raise
        gate.ended("passed")
        return value

    async def shielded(self, name: str, value: Any = None) -> Any:
        """Wait, shielded from cancellation."""
        return await self.wait(name, value)

    async def stubborn(self, name: str, value: Any = None) -> Any:
        """Wait, and return a result even if the request is cancelled."""
        try:
            return await self.wait(name, value)
        except (Cancelled, CancelledError, ServiceError):
            return "stubborn"

    async def slow(self, name: str) -> Any:
        """Wait, and wait again during the clean-up."""
        try:
            return await self.wait(name)
        finally:
            await ALL_GATES[f"{name}.clean"].passed()

    async def another(self, name: str) -> Any:
        """Wait, and raise another exception than the one that was raised in it."""
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
        """Open a gate."""
        ALL_GATES[name].opens()
        return "open"

    async def ends(self, name: str, count: int = 1) -> list[str]:
        """Wait until a number of actions have ended; returns how."""
        gate = ALL_GATES[name]
        await gate.watched(lambda: len(gate.ends) >= count)
        return sorted(gate.ends)

    async def started(self, name: str, count: int = 1) -> str:
        """Wait until a number of actions have started."""
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
