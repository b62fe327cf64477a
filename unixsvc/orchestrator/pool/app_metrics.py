"""What the workers of one service report at a scrape: the metrics of their application, and examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from twisted.logger import Logger

from unixsvc.orchestrator.worker.messages import AppMetrics, RequestExamples

if TYPE_CHECKING:
    from unixsvc.telemetry.exposition.application import AppFamily, AppSnapshot

__all__ = ["AppMetricsReader", "ended_with", "snapshot_of"]


class AppMetricsReader:
    """Reads the reports of one worker.

    :param log: of the worker.
    :ivar families: the latest ones.
    :ivar examples: the latest :attr:`RequestExamples.found`.
    """

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._parts: list[str] = []
        self.families: list[AppFamily] = []
        self.examples: Sequence[tuple[str, str, str, float, float]] = []

    def read(self, report: AppMetrics) -> None:
        """Read a part of a report."""
        self._parts.append(report.part)
        if not report.more:
            text = "".join(self._parts)
            self._parts.clear()
            self._decode(text)

    def read_examples(self, report: RequestExamples) -> None:
        """Read requests that are recorded."""
        self.examples = report.found

    def _decode(self, text: str) -> None:
        # Late, also below: few applications have metrics of their own.
        from unixsvc.telemetry.exposition.application import decode_families

        try:
            self.families = decode_families(text)
        except (msgspec.DecodeError, RecursionError) as error:
            self._log.error("a worker sent invalid metrics: {error}", error=str(error))


def ended_with(before: Iterable[AppFamily], reader: AppMetricsReader) -> list[AppFamily]:
    """What workers have counted that have ended, with one more."""
    if not reader.families:
        return list(before)
    from unixsvc.telemetry.exposition.application import sum_families

    return sum_families(before, reader.families)


def snapshot_of(
    workers: Iterable[tuple[int, int, AppMetricsReader]], ended: Iterable[AppFamily]
) -> AppSnapshot:
    """The metrics at this moment.

    :param workers: the number, the slot and the reader of each.
    """
    from unixsvc.telemetry.exposition.application import AppSnapshot, WorkerMetrics, exemplars_of

    readers = list(workers)
    present = [WorkerMetrics(number, slot, each.families) for number, slot, each in readers if each.families]
    examples = [example for _, _, each in readers for example in each.examples]
    return AppSnapshot(present, list(ended), exemplars_of(examples))
