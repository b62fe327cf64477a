"""What sends spans."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.unit.tracing.recorded import RecordedCase


class SpanSenderTests(RecordedCase):
    def sender(self, *, succeeds: bool = True) -> Any:
        """A sender whose data are kept."""
        from unixsvc.tracing.exporter import SpanSender

        self.sent: list[bytes] = []

        class Sender(SpanSender):
            def _kept(sender, data: bytes) -> Any:
                self.sent.append(data)
                return SimpleNamespace(success=succeeds)

        sender = Sender("http://127.0.0.1:9/v1/traces")
        self.assertTrue(callable(sender._send))  # the name that the exporter of this version has
        sender._send = sender._kept
        self.addCleanup(sender.shutdown)
        return sender

    def one_span(self) -> Any:
        """Make a span."""
        self.tracing()
        self.provider.get_tracer("own").start_span("one").end()
        return self.spans()

    def test_export(self) -> None:
        """Spans are sent as OTLP, and the result says whether that succeeded."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for succeeds in (True, False):
            result = self.sender(succeeds=succeeds).export(self.one_span())
            self.assertEqual(result.name, "SUCCESS" if succeeds else "FAILURE")
            request = ExportTraceServiceRequest.FromString(self.sent[0])
            self.assertEqual(request.resource_spans[0].scope_spans[0].spans[0].name, "one")

    def test_shutdown(self) -> None:
        """After the end, nothing is sent."""
        sender = self.sender()
        sender.shutdown()
        self.assertEqual(sender.export(self.one_span()).name, "FAILURE")
        self.assertEqual(self.sent, [])
