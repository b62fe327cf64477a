"""The questions that a worker was asked, and that it has not answered yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw, Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.json import Json
from unixsvc.orchestrator.worker.messages import Inspect, Inspected

__all__ = ["Finding", "Questions"]


class Finding(Struct, frozen=True):
    """The answer of one worker.

    :ivar answer: None if there is none in time.
    :ivar problem: why there is none.
    """

    pid: int | None
    slot: int
    answer: Raw | None = None
    problem: str = ""


class Questions:
    """Asks one worker, and waits for its answers.

    :param send: sends a command to the worker.
    """

    def __init__(self, reactor: IReactorTime, send: Callable[[Inspect], object]) -> None:
        self._reactor = reactor
        self._send = send
        self._last = 0
        self._waiting: dict[int, tuple[Deferred[Inspected], list[str]]] = {}

    def ask(
        self, topic: str, options: dict[str, Json], seconds: float, pid: int | None, slot: int
    ) -> Deferred[Finding]:
        """Ask.

        :param seconds: maximum time to wait for the answer.
        :returns: fires with the answer, or with the problem if the worker ends or says nothing in time.
        """
        self._last += 1
        number = self._last
        waiting: Deferred[Any] = Deferred(lambda _: self._forget(number))
        self._waiting[number] = waiting, []
        silent = Finding(pid, slot, problem=f"no answer within {seconds:g} s")
        waiting.addCallback(_finding, pid, slot)
        waiting.addTimeout(seconds, self._reactor, lambda result, _: silent)
        self._send(Inspect(number, topic, options))
        return waiting

    def answered(self, report: Inspected) -> None:
        """Note a part of an answer."""
        if report.number not in self._waiting:
            return  # its time is over
        waiting, parts = self._waiting[report.number]
        parts.append(report.part)
        if not report.more:
            del self._waiting[report.number]
            waiting.callback(Inspected(report.number, "".join(parts), error=report.error))

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    def end(self) -> None:
        """The worker has ended."""
        waiting, self._waiting = self._waiting, {}
        for number, (each, _) in waiting.items():
            each.callback(Inspected(number, error="it has ended"))


def _finding(report: Inspected, pid: int | None, slot: int) -> Finding:
    if report.error:
        return Finding(pid, slot, problem=report.error)
    return Finding(pid, slot, Raw(report.part.encode()))
