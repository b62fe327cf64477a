"""Ends a worker whose orchestrator is gone, also when its event loop stands still."""

from __future__ import annotations

import os
import select
import threading
import time

__all__ = ["OrphanWatch"]


class OrphanWatch:
    """Waits, in a thread, for the other end of the pipe of commands to be closed.

    The event loop notices that too, and drains; this is for a loop that is blocked, or does not run yet.

    :param descriptor: of the pipe.
    :ivar patience: how long the loop may take from then on, in seconds; until it is set, nothing has been
        asked of the worker, and there is nothing to wait for.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.patience = 0.0

    def start(self) -> None:
        """Begin to wait."""
        threading.Thread(target=self._watch, name="orphan watch", daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # the end of a pipe is told unasked
        while not any(event & select.POLLHUP for _, event in poll.poll()):
            pass
        time.sleep(self.patience)
        os._exit(0)
