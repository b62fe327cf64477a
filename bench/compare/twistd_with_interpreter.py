"""Runs twistd, with another interpreter for the processes that it starts; arguments: that one, options."""

from __future__ import annotations

import sys

__all__: list[str] = []

if __name__ == "__main__":
    from twisted.scripts.twistd import run

    sys.executable = sys.argv.pop(1)
    run()
