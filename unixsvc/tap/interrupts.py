"""Ctrl-C before the reactor runs."""

from __future__ import annotations

import sys
from types import TracebackType

__all__ = ["hide_interrupts"]


def hide_interrupts() -> None:
    """Show no traceback if Ctrl-C ends the process; its exit status still says that the signal did.

    The imports and the configuration take a part of a second. Once the services start, the signal stops them:
    see :class:`unixsvc.orchestrator.signals.Signals`.
    """
    show = sys.excepthook

    def show_unless_interrupted(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            show(kind, error, traceback)

    sys.excepthook = show_unless_interrupted
