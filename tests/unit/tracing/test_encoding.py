"""Spans as OTLP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.tracing.recorded import PARENT, RecordedCase


class EncodingTests(RecordedCase):
    """Our bytes have the same content as those of the exporter of OpenTelemetry."""

    def check(self, *make: Callable[[Any], Any], attributes: dict[str, Any] | None = None) -> Any:
        """Compare both for spans, each changed by a function before it ends.

        :param attributes: of each.
        """
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        from unixsvc.tracing.encoding import encode_batch

        self.tracing()
        tracer = self.provider.get_tracer("own", "1.0")
        for change in make:
            span = tracer.start_span("a span", attributes=attributes)
            change(span)
            span.end()
        spans = self.spans()
        ours = ExportTraceServiceRequest.FromString(encode_batch(spans))
        self.assertEqual(_sorted_spans(ours), _sorted_spans(encode_spans(spans)))
        return ours

    def test_attributes(self) -> None:
        """Texts and numbers."""
        values = {
            "t": "ä€",
            "empty": "",
            "long": "x" * 20_000,
            "f": 1.5,
            "i": 300,
            "0": 0,
            "zero": 0,
            "big": 2**63 - 1,
        }
        ours = self.check(lambda span: None, attributes=values)
        [span] = ours.resource_spans[0].scope_spans[0].spans
        self.assertEqual(len(span.attributes), len(values))

    def test_other_values(self) -> None:
        """All values that an application may give."""
        values = {"yes": True, "list": [1, 2], "negative": -1, "bytes": b"\xff", "texts": ["a"]}
        for name, value in values.items():
            self.check(lambda span: None, attributes={name: value, "plain": "x"})

    def test_status(self) -> None:
        """The status and its message."""
        from opentelemetry.trace import Status, StatusCode

        self.check(
            lambda span: span.set_status(Status(StatusCode.ERROR, "no luck")),
            lambda span: span.set_status(Status(StatusCode.ERROR)),
            lambda span: span.set_status(Status(StatusCode.OK)),
        )

    def test_lists(self) -> None:
        """Events, links and exceptions, beside plain spans."""
        from opentelemetry.trace import SpanContext

        other = SpanContext(5, 6, is_remote=True)
        self.check(
            lambda span: None,
            lambda span: span.add_event("event", {"a": 1}),
            lambda span: span.add_link(other, {"b": 2}),
            lambda span: span.record_exception(ValueError("no luck")),
        )

    def test_parents(self) -> None:
        """Spans of a caller, with its ``tracestate``, and of the same process; two scopes."""
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
        from opentelemetry.trace import SpanKind, set_span_in_context

        from unixsvc.tracing.context import context_of
        from unixsvc.tracing.encoding import encode_batch

        self.tracing()
        first, second = self.provider.get_tracer("first"), self.provider.get_tracer("second")
        remote = context_of({"traceparent": PARENT, "tracestate": "a=1,b=2"})
        with first.start_as_current_span("server", remote, kind=SpanKind.SERVER) as server:
            second.start_span("inner", set_span_in_context(server)).end()
        spans = self.spans()
        ours = ExportTraceServiceRequest.FromString(encode_batch(spans))
        self.assertEqual(_sorted_spans(ours), _sorted_spans(encode_spans(spans)))
        self.assertEqual(len(ours.resource_spans), 2)
        self.assertIn("a=1,b=2", str(ours))

    def test_surrogates(self) -> None:
        """A text that has no UTF-8 is still sent."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        from unixsvc.tracing.encoding import encode_batch

        self.tracing()
        self.provider.get_tracer("own").start_span("a\udcff", attributes={"path": "/\udcff"}).end()
        ours = ExportTraceServiceRequest.FromString(encode_batch(self.spans()))
        [span] = ours.resource_spans[0].scope_spans[0].spans
        self.assertEqual((span.name, span.attributes[0].value.string_value), ("a?", "/?"))


def _sorted_spans(request: Any) -> list[tuple[str, str, str]]:
    """All spans with their resources and scopes: one list may be divided into several."""
    return sorted(
        (str(span), str(scope.scope) + scope.schema_url, str(each.resource) + each.schema_url)
        for each in request.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    )
