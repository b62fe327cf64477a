"""The levels of the log, as :mod:`logging` has them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

__all__ = ["LevelObserver", "LoggingLevels", "level_name"]

LevelObserver: TypeAlias = Callable[[str, Mapping[str, str]], object]
"""Called with the lowest level that is logged, and with other levels of some loggers by their names."""

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


class LoggingLevels:
    """The levels of :mod:`logging`, so that a disabled call costs no more than a comparison."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}

    def set(self, level: str, loggers: Mapping[str, str]) -> None:
        """Set the lowest levels.

        :param level: for all loggers.
        :param loggers: for some, by their names. Others get the level that they had before.
        """
        numbers = {"": _NUMBERS[level]} | {name: _NUMBERS[own] for name, own in loggers.items()}
        for name in {*self._before} - {*numbers}:
            logging.getLogger(name).setLevel(self._before.pop(name))
        for name, number in numbers.items():
            logger = logging.getLogger(name)
            self._before.setdefault(name, logger.level)
            logger.setLevel(number)

    def restore(self) -> None:
        """Set the levels that were there before."""
        while self._before:
            name, number = self._before.popitem()
            logging.getLogger(name).setLevel(number)
