"""What sends spans to a collector."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.unit.tracing.recorded import RecordedCase
from unixsvc.config.tracing import Tracing
from unixsvc.telemetry.trace_ids import trace_of, use_spans


class ProviderTests(RecordedCase):
    def test_resource(self) -> None:
        """All spans of a worker name the service and the process."""
        from unixsvc.tracing.provider import make_resource

        attributes = make_resource("shop", 2, "acme").attributes
        self.assertEqual(
            [attributes[key] for key in ("service.name", "service.namespace", "process.pid")],
            ["shop", "acme", os.getpid()],
        )
        self.assertIn("shop[2]", str(attributes["service.instance.id"]))
        self.assertNotIn("service.namespace", make_resource("shop", 2, "").attributes)

    def test_problems(self) -> None:
        """Problems of the export are one event in a minute, and nothing else logs them."""
        from unixsvc.tracing.provider import make_provider

        provider = make_provider(Tracing(exporter="otlp"), "shop", 1)
        self.addCleanup(provider.shutdown)
        logger = logging.getLogger("opentelemetry.exporter.otlp.proto.http")
        with capturedLogs() as events:
            for _ in range(5):
                logger.error("Failed to export %s batch", "spans")
            logger.error("%s and %s", "too few")
        [event] = [each for each in events if each.get("problem")]
        self.assertEqual(
            (event["problem"], event["log_level"].name), ("Failed to export spans batch", "warn")
        )
        make_provider(Tracing(exporter="otlp"), "shop", 2).shutdown()
        self.assertEqual(len(logging.getLogger("opentelemetry.exporter").handlers), 1)


class FlushTests(RecordedCase):
    """The last spans."""

    def close(self, shutdown: Any) -> tuple[Deferred[None], Clock]:
        """Close what makes spans; the provider is shut down by a function."""
        tracing = self.tracing(flush_timeout=2.0)
        self.provider.shutdown = shutdown  # type: ignore[method-assign]  # of a library
        clock = Clock()
        clock.callFromThread = lambda function: function()  # type: ignore[attr-defined]
        return Deferred.fromCoroutine(tracing.close(clock)), clock

    def test_timeout(self) -> None:
        """They have a limited time."""
        ended = threading.Event()
        self.addCleanup(ended.set)
        closed, clock = self.close(ended.wait)
        self.assertNoResult(closed)
        clock.advance(2.1)
        self.successResultOf(closed)

    def test_failure(self) -> None:
        """A failure does not keep the service from ending."""
        problems: list[Any] = []
        self.patch(threading, "excepthook", problems.append)

        def fail() -> None:
            raise OSError("no network")

        closed, _ = self.close(fail)
        for each in threading.enumerate():
            if each.name == "last-spans":
                each.join(10)
        self.successResultOf(closed)
        self.assertEqual([each.exc_type for each in problems], [OSError])


class TraceIdsTests(RecordedCase):
    """The ids of events of the log."""

    def test_own_span(self) -> None:
        """Within a span of the application, its ids; an event that belongs to no request has none."""
        from unixsvc.tracing.context import current_ids

        self.tracing()
        use_spans(current_ids)
        self.addCleanup(use_spans, None)
        self.assertEqual(trace_of({}), ("", ""))
        with self.provider.get_tracer("own").start_as_current_span("own") as span:
            context = span.get_span_context()
            self.assertEqual(trace_of({}), (f"{context.trace_id:032x}", f"{context.span_id:016x}"))
            self.assertEqual(trace_of({"request_id": ""}), ("", ""))
            self.assertEqual(trace_of({"trace": ("a", "b")}), ("a", "b"))
