"""The encoding of standard output and standard error."""

from __future__ import annotations

import io
import sys

__all__ = ["use_utf8"]


def use_utf8() -> None:
    """Write UTF-8 whatever the locale, with escapes for what it cannot encode, so printing never fails."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
