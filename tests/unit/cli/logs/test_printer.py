"""The order in which ``unixsvc logs`` prints events."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import msgspec
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.logs.command import _Printer
from unixsvc.telemetry.log_query import LogBatch
from unixsvc.telemetry.log_record import LogRecord


def _event(time: float) -> LogRecord:
    return LogRecord(time, "info", "shop", f"at {time:g}")


class PrinterTests(SynchronousTestCase):
    """Two batches, and an event from the file."""

    def printed(self, *, by_time: bool) -> list[str]:
        """The lines."""
        firsts: list[LogRecord | None] = []

        def older(first: LogRecord | None) -> Sequence[LogRecord]:
            firsts.append(first)
            return [_event(0)]

        printer = _Printer(
            lambda event: f"{event.message}\n".encode(), older, lambda: self.fail("empty"), by_time=by_time
        )
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as output:
            for times in ((3, 1), (2,)):
                printer.show(Raw(msgspec.json.encode(LogBatch([_event(each) for each in times]))))
            printer.end()
            output.flush()
        self.assertEqual(firsts, [_event(3)])  # the first one of the memory, as it is also in the file
        return output.buffer.getvalue().decode().splitlines()

    def test_one_request(self) -> None:
        """Those of one request are sorted."""
        self.assertEqual(self.printed(by_time=True), ["at 0", "at 1", "at 2", "at 3"])

    def test_others(self) -> None:
        """Others are printed as they come."""
        self.assertEqual(self.printed(by_time=False), ["at 0", "at 3", "at 1", "at 2"])
