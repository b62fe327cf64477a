"""The command ``unixsvc``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command with the process's arguments; its exit code."""
    try:
        # Here, so that Ctrl-C while modules are still being imported makes no traceback either.
        from unixsvc.cli.command import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130  # 128 and the number of the signal, as shells have it
