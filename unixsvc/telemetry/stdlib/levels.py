"""The levels of the log, as :mod:`logging` has them."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["level_name", "set_levels"]

_NAMES: Final = ("debug", "debug", "info", "warn", "error", "critical")  # by the tens of a number
_NUMBERS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}


def level_name(number: int) -> str:
    """The level of a record, of which applications may add any: the next lower one of the log."""
    return _NAMES[min(max(number // 10, 0), len(_NAMES) - 1)]


def set_levels(level: str) -> None:
    """Set the lowest level of all loggers, so that a disabled call costs no more than a comparison."""
    logging.getLogger().setLevel(_NUMBERS[level])
