"""Answers the questions that an operator asks about this worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.orchestrator.worker.messages import Inspect, Inspected
from unixsvc.service.host import ServiceHost

__all__ = ["PART", "report_answer", "split"]

_log: Final = Logger()
# In characters, of up to four bytes: the orchestrator splits longer lines than 512 KiB.
PART: Final = 100_000


def report_answer(host: ServiceHost, command: Inspect, report: Callable[[Inspected], object]) -> None:
    """Report the answer to a question, now or later.

    :param report: called with each part.
    """

    def answered(text: bytes) -> None:
        for part in split(command.number, text.decode()):
            report(part)

    def failed(failure: Failure) -> None:
        _log.failure("a question of the operator has failed", failure)
        report(Inspected(command.number, error=f"{type(failure.value).__name__}: {failure.value}"))

    asked = Deferred.fromCoroutine(host.inspect(command.topic, command.options))
    asked.addCallback(answered).addErrback(failed)


def split(number: int, text: str, size: int = PART) -> list[Inspected]:
    """Split an answer into reports.

    :param size: of each, in characters.
    """
    starts = range(0, max(len(text), 1), size)
    return [Inspected(number, text[at : at + size], more=at + size < len(text)) for at in starts]
