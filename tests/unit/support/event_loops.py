"""An event loop of uvloop whose timers the test controls, and an echo protocol."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import uvloop
from twisted.internet.protocol import Protocol


class Loop(uvloop.Loop):
    """The test calls its timers."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def call_later(self, seconds: float, call: Any, context: Any = None) -> Any:  # type: ignore[override]
        """Record the timer."""
        self.later.append(call)
        return _Timer(self.later, call)

    def wait(self) -> None:
        """Advance the clock."""
        later = self.later[:]
        self.later.clear()
        for call in later:
            call()

    def turn(self) -> None:
        """Run one turn."""
        self.call_soon(self.stop)
        self.run_forever()


class _Timer:
    def __init__(self, later: list[Callable[[], None]], call: Callable[[], None]) -> None:
        self._later, self._call = later, call

    def cancel(self) -> None:
        """Remove the timer."""
        if self._call in self._later:
            self._later.remove(self._call)


class Echo(Protocol):
    """Sends back what it receives, behind a context variable that it then sets."""

    left: ContextVar[bytes] = ContextVar("left", default=b"")

    def dataReceived(self, data: bytes) -> None:
        """Send the bytes back."""
        transport: Any = self.transport
        transport.write(self.left.get() + data)
        self.left.set(data)
