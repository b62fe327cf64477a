"""Services in memory whose spans are kept, for tests."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

from tests.unit.service.served import ServedCase
from unixsvc.config.tracing import Tracing

__all__ = ["PARENT", "SPAN", "TRACE", "UNSAMPLED", "WITHOUT_EXTRA", "RecordedCase"]

WITHOUT_EXTRA: Final = None if find_spec("opentelemetry") else "the extra otel is not installed"
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
SPAN: Final = "b7ad6b7169203331"
PARENT: Final = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED: Final = f"00-{TRACE}-{SPAN}-00"


class RecordedCase(ServedCase):
    """Keeps the spans of services."""

    skip = WITHOUT_EXTRA

    def tracing(self, *, now: Callable[[], float] | None = None, **settings: Any) -> Any:
        """What makes the spans of a service; all requests are recorded without a ``sample``."""
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from unixsvc.service.tracing import ServiceTracing
        from unixsvc.tracing.sampling import make_sampler

        tracing = Tracing(exporter="otlp", **{"sample": 1.0, **settings})
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=make_sampler(tracing.sample), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        return ServiceTracing(self.provider, "shop", tracing, now or (lambda: 0.0))

    def spans(self) -> list[Any]:
        """The spans that have ended since the last call."""
        found = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return found

    def span(self) -> Any:
        """The only one of them."""
        [found] = self.spans()
        return found
