"""An application that logs."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from unixsvc import GET, App

_log = Logger()


def flood(lines: int) -> int:
    """Log lines of 1,000 characters."""
    for number in range(lines):
        _log.info("{number} {text}", number=number, text="x" * 1_000)
    return lines


def note(number: int) -> int:
    """Log a number."""
    _log.info("note {number}", number=number)
    return number


def arrow() -> None:
    """Print and log a character that many encodings lack."""
    print("printed →")  # noqa: T201
    raise ValueError("raised →")


async def never() -> None:
    """Wait for ever."""
    await Deferred()


app = App([GET("/flood", flood), GET("/note", note), GET("/arrow", arrow), GET("/never", never, public=True)])
