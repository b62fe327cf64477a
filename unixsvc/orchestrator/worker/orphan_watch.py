"""Ends a worker whose orchestrator has died, even if its event loop is blocked."""

from __future__ import annotations

import select
import threading
import time

from unixsvc.orchestrator.worker.forks import end_process_group

__all__ = ["OrphanWatch"]


class OrphanWatch:
    """Waits, in a thread, for the orchestrator's end of the command pipe to be closed.

    The event loop notices that too and drains; this is for an event loop that is blocked or not yet running.

    :param descriptor: the command pipe.
    :ivar grace_period: how long the event loop may take to exit by itself, in seconds; 0 until the worker is
        ready, as it has no pending requests before.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.grace_period = 0.0

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._watch, name="orphan watch", daemon=True).start()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, 0)  # poll(2) reports POLLHUP without a request
        while not any(event & select.POLLHUP for _, event in poll.poll()):
            pass
        time.sleep(self.grace_period)
        end_process_group(0)
