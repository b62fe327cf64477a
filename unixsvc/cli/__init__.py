"""The command line, ``unixsvc``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command of ``sys.argv``; the exit code."""
    try:
        # Imported here, so that Ctrl-C during the import prints no traceback.
        from unixsvc.standard_descriptors import open_standard_descriptors

        open_standard_descriptors()
        from unixsvc.cli.command import run
        from unixsvc.telemetry.streams import use_utf8

        use_utf8()
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as in shells
