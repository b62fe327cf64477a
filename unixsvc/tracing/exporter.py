"""Sends spans as the exporter of OpenTelemetry does, but has them encoded for less.

It uses a private name of ``opentelemetry.exporter.otlp.proto.http``, checked with version 1.45. With a
version that does not have it, that exporter does all by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from unixsvc.tracing.encoding import encode_batch

__all__ = ["SpanSender"]


class SpanSender(OTLPSpanExporter):
    """Sends spans to a collector: OTLP over HTTP. Its parameters are those of the exporter."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ended = False
        # It compresses, sends and tries again; the result says whether it succeeded.
        self._send: Callable[[bytes], Any] | None = getattr(getattr(self, "_client", None), "export", None)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, and wait for it."""
        if self._send is None or self._ended:
            return super().export(spans)
        sent = self._send(encode_batch(spans))
        return SpanExportResult.SUCCESS if sent.success else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Send nothing any more."""
        self._ended = True
        super().shutdown()
