"""The program that ``unixsvc dev`` starts: ``twistd``, which stops when its parent dies."""

from __future__ import annotations

import os
import signal
import sys

from unixsvc.orchestrator.worker.prctl import SET_PARENT_DEATH_SIGNAL, prctl

__all__ = ["main"]


def main() -> None:
    """Run ``twistd``; the first argument is the pid of the parent, the others are those of ``twistd``."""
    parent = int(sys.argv.pop(1))
    prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("unixsvc: dev has exited")  # before the signal was set
    from twisted.scripts.twistd import run

    sys.argv[0] = "twistd"
    run()


if __name__ == "__main__":
    main()
