"""The signals of a terminal, for what the tests start."""

from __future__ import annotations

import signal

__all__ = ["accept_signals"]


def accept_signals() -> None:
    """Ignore none: a shell in the background ignores SIGINT, and nohup(1) SIGHUP; children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
