"""The lowest levels that are logged, by logger, service and route; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct

__all__ = ["LEVELS", "LevelRule", "LogLevels"]

LEVELS: Final = {"debug": 10, "info": 20, "warn": 30, "error": 40, "critical": 50}
"""The names of the levels with their numbers, which are those of :mod:`logging`."""

_Key: TypeAlias = tuple[str, str, str]
_NAMES: Final = {number: name for name, number in LEVELS.items()}
_MAX_KNOWN: Final = 1024  # results that are remembered


class LevelRule(Struct, frozen=True, omit_defaults=True):
    """The lowest level of the events that have all that the rule names.

    :ivar logger: the name of a logger, for those below it too; empty for all.
    :ivar service: empty for all.
    :ivar route: a route, as ``GET /user/{id:int}``, or its path for all its methods; empty for all events,
        with and without a request.
    """

    level: str
    logger: str = ""
    service: str = ""
    route: str = ""

    @property
    def key(self) -> _Key:
        """What the rule is about: a later rule about the same replaces it."""
        return self.route, self.logger, self.service

    def fits(self, logger: str, service: str | None, route: str | None) -> bool:
        """Whether an event is meant.

        :param service: None for any.
        :param route: None for any, and empty for no request.
        """
        return (
            (not self.logger or f"{logger}.".startswith(f"{self.logger}."))
            and (service is None or self.service in ("", service))
            and (route is None or not self.route or self.route in (route, route.partition(" ")[2]))
        )


class LogLevels:
    """Finds the level of an event: that of the rule that says most about it.

    A rule about a route says more than one about a logger, and that more than one about a service; of two
    loggers, the lower one counts.

    :param rules: of two about the same, the later one counts.
    :raises KeyError: for an unknown level.
    :ivar has_routes: whether a rule is about a route.
    """

    def __init__(self, level: str, rules: Iterable[LevelRule] = ()) -> None:
        found = {rule.key: rule for rule in (LevelRule(level), *rules)}
        ordered = sorted(found.values(), key=_weight, reverse=True)
        self._rules = [(rule, LEVELS[rule.level]) for rule in ordered]
        self._known: dict[tuple[str, str, str], int] = {}
        self.has_routes = any(rule.route for rule in found.values())

    def number(self, logger: str, service: str, route: str = "") -> int:
        """The number of the lowest level that is logged.

        :param route: with its method; empty for none.
        """
        key = logger, service, route
        number = self._known.get(key)
        if number is None:
            number = next(number for rule, number in self._rules if rule.fits(*key))
            if len(self._known) < _MAX_KNOWN:
                self._known[key] = number
        return number

    def least(self, logger: str, service: str | None = None) -> int:
        """The number of the lowest level that is logged for any route.

        :param service: None for that of any service.
        """
        numbers: list[int] = []
        for rule, number in self._rules:
            if rule.fits(logger, service, None):
                numbers.append(number)
                if not rule.route and (service is not None or not rule.service):
                    break  # rules that say less do not count
        return min(numbers)

    def by_logger(self, service: str | None) -> tuple[str, dict[str, str]]:
        """The lowest level for any route, and those of the loggers that a rule names, by their names."""
        names = {rule.logger for rule, _ in self._rules} - {""}
        loggers = {name: _NAMES[self.least(name, service)] for name in sorted(names)}
        return _NAMES[self.least("", service)], loggers


def _weight(rule: LevelRule) -> tuple[bool, bool, int, bool]:
    # A route with its method says more than its path.
    return bool(rule.route), " " in rule.route, len(rule.logger), bool(rule.service)
