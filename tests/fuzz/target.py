"""A part of the framework that is fuzzed, and the loop that feeds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from msgspec import Struct
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import provider

__all__ = ["Crash", "Target", "fuzz"]

Case = TypeVar("Case")
_SEVERE = (LogLevel.error, LogLevel.critical)


class Crash(AssertionError):
    """An outcome that is not documented."""


class Target(Struct, Generic[Case], frozen=True):
    """A part that is fuzzed.

    :ivar cases: makes its input.
    :ivar run: feeds one input; returns how it ended: the number of each status code, or of a word. Raises
        anything if the outcome is not documented.
    """

    name: str
    cases: SearchStrategy[Case]
    run: Callable[[Case], Mapping[str, int]]


def fuzz(target: Target[Case], number: int, examples: int) -> Counter[str]:
    """Feed a target with the inputs of a seed.

    :param number: the seed; the same inputs again.
    :returns: the number of each outcome.
    :raises Exception: at the first crash, with the shortest input that was found to cause it in its notes.
    """
    outcomes: Counter[str] = Counter()

    def check(case: Case) -> None:
        outcomes.update(_run_watching_log(target, case))

    check.__name__ = f"fuzz_{target.name}"
    limited = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    seed(number)(limited(given(target.cases)(check)))()
    return outcomes


def _run_watching_log(target: Target[Case], case: Case) -> Mapping[str, int]:
    """Run one input; an error in the log is a crash."""
    errors: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_level") in _SEVERE:
            errors.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        outcomes = target.run(case)
    finally:
        globalLogPublisher.removeObserver(observe)
    if errors:
        failure = errors[0].get("log_failure")
        raise Crash(f"logged: {failure.getTraceback() if failure else errors[0]}")
    return outcomes
