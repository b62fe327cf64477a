"""The descriptors 0 to 2, which a program may be started without."""

from __future__ import annotations

import os
import sys

__all__ = ["open_standard_descriptors"]


def open_standard_descriptors() -> None:
    """Open ``/dev/null`` for each of the descriptors 0 to 2 that is closed.

    Otherwise the next socket or file would get its number, and what is written to standard output or standard
    error would go there. So this precedes everything that opens one. ``sys.stdin`` stays None.
    """
    for number, stream in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one. Programs expect to inherit these three.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            if number:
                opened = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - until the exit
                setattr(sys, stream, opened)
                setattr(sys, f"__{stream}__", opened)
