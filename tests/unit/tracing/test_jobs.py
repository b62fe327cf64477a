"""Spans of the runs of jobs."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import capturedLogs

from tests.unit.tracing.recorded import RecordedCase
from unixsvc import App, IServices, current_request_id, every
from unixsvc.schedules.state import Run
from unixsvc.telemetry.logs import to_record
from unixsvc.telemetry.trace_ids import trace_of


class _Bank:
    """Calls of services that succeed at once."""

    def call(self, *arguments: Any, **options: Any) -> Deferred[int]:
        """Call one."""
        return succeed(40)


class JobSpanTests(RecordedCase):
    """An application with jobs that succeed, wait and fail."""

    def setUp(self) -> None:
        """Define it."""
        self.waits: Deferred[None] = Deferred()
        self.ended: list[str] = []
        self.lines: list[tuple[str, str, str]] = []

        async def clean() -> None:
            await self.waits
            with self.provider.get_tracer("own").start_as_current_span("own"):
                self.lines.append((current_request_id(), *trace_of({})))

        def fail() -> None:
            raise ValueError("no luck")

        async def call(services: IServices) -> None:
            await services.get("bank", "/balance")

        self.app = App([], schedules=[every("1h", each, name=each.__name__) for each in (clean, fail, call)])

    def run_job(self, name: str, **tracing: Any) -> Any:
        """Run a job; the host."""
        traced = self.tracing(**tracing)
        host = self.serve(self.app, tracing=traced, services=traced.around_services(_Bank()))
        host.accept_job(Run(1, name, 0.0, 2), self.ended.append)()
        return host

    def test_span(self) -> None:
        """A run is a span of the kind INTERNAL without a parent; spans and log lines of the job are in it."""
        self.run_job("clean")
        self.waits.callback(None)
        own, span = self.spans()
        self.assertEqual((span.name, span.kind.name, span.parent), ("clean", "INTERNAL", None))
        self.assertEqual((own.name, own.parent.span_id), ("own", span.context.span_id))
        self.assertEqual(
            (span.attributes["unixsvc.schedule"], span.attributes["unixsvc.attempt"]), ("clean", 2)
        )
        self.assertTrue(span.status.is_unset)
        [(request_id, trace, _)] = self.lines
        self.assertEqual(request_id, span.attributes["unixsvc.request.id"])
        self.assertEqual(trace, f"{span.context.trace_id:032x}")
        self.assertEqual(self.ended, [""])

    def test_failure(self) -> None:
        """A run that fails is an error, and the line about it has the ids."""
        with capturedLogs() as events:
            self.run_job("fail")
        self.flushLoggedErrors(ValueError)
        span = self.span()
        self.assertFalse(span.status.is_ok)
        self.assertEqual(span.attributes["error.type"], "builtins.ValueError")
        self.assertIn("no luck", span.events[0].attributes["exception.stacktrace"])
        [line] = [to_record(each) for each in events if "the run for" in each.get("log_format", "")]
        self.assertEqual(
            (line.trace_id, line.span_id), (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
        )
        self.assertEqual(self.ended, ["ValueError"])

    def test_interrupted(self) -> None:
        """So is one that is interrupted at the end of the worker."""
        host = self.run_job("clean")
        host.abort()
        self.assertEqual(self.span().attributes["error.type"], "unixsvc.errors.Cancelled")

    def test_call(self) -> None:
        """A call that it makes is a child of it."""
        self.run_job("call")
        client, span = self.spans()
        self.assertEqual((client.name, client.kind.name), ("bank/GET", "CLIENT"))
        self.assertEqual(client.parent.span_id, span.context.span_id)

    def test_not_recorded(self) -> None:
        """It is recorded or not as a trace that begins here is; if not, nor are its calls."""
        self.run_job("call", sample=0.0)
        self.assertEqual(self.spans(), [])
