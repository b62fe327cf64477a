"""Spans of the SDK that no tracer has made."""

from __future__ import annotations

import os
from typing import Any

from tests.unit.tracing.recorded import PARENT, SPAN, TRACE, RecordedCase


class SpanFactoryTests(RecordedCase):
    def make(self, parent: Any = None, **attributes: Any) -> Any:
        """Start a span."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        from unixsvc.tracing.sdk_spans import SpanFactory

        self.tracing()
        self.tracer = self.provider.get_tracer("own")
        factory = SpanFactory(self.tracer)
        return factory.start("GET", SpanKind.SERVER, Context() if parent is None else parent, attributes)

    def test_fields(self) -> None:
        """They have the fields that the tracer's have: this fails if a version of the SDK adds one."""
        from opentelemetry.context import Context

        from unixsvc.tracing.sampling import RECORDED
        from unixsvc.tracing.sdk_spans import _FIELDS

        ours = self.make()
        theirs: Any = self.tracer.start_span("x", Context({RECORDED: True}))
        self.assertEqual(type(ours).__name__, "_RecordedSpan")
        self.assertEqual(vars(ours).keys(), vars(theirs).keys())
        self.assertLessEqual(_FIELDS, vars(theirs).keys())
        self.assertEqual(vars(ours._attributes).keys(), vars(theirs._attributes).keys())
        self.assertEqual(ours.resource, theirs.resource)
        self.assertEqual(ours.instrumentation_scope, theirs.instrumentation_scope)

    def test_root(self) -> None:
        """Without a parent, it begins a trace with random ids."""
        span = self.make(a="b")
        ids = span.get_span_context()
        self.assertTrue(ids.is_valid and ids.trace_flags.sampled and ids.trace_flags.random_trace_id)
        span.end()
        found = self.span()
        self.assertEqual((found.name, found.kind.name, dict(found.attributes)), ("GET", "SERVER", {"a": "b"}))
        self.assertIsNone(found.parent)
        self.assertLessEqual(found.start_time, found.end_time)

    def test_parent(self) -> None:
        """With one, it continues the trace and its state."""
        from unixsvc.tracing.context import context_of

        span = self.make(context_of({"traceparent": PARENT, "tracestate": "a=1"}))
        span.end()
        found = self.span()
        self.assertEqual(f"{found.context.trace_id:032x}", TRACE)
        self.assertEqual(f"{found.parent.span_id:016x}", SPAN)
        self.assertEqual(found.context.trace_state.to_header(), "a=1")
        self.assertFalse(found.context.trace_flags.random_trace_id)

    def test_application(self) -> None:
        """Applications change it as any span, with the limits of the SDK, and not after its end."""
        from opentelemetry.trace import StatusCode

        span = self.make()
        span.set_attributes({str(each): each for each in range(200)})
        span.set_attribute("list", [1])
        span.add_event("event")
        span.record_exception(ValueError("no luck"))
        span.update_name("other")
        span.end()
        span.set_attribute("late", 1)
        span.add_event("late")
        span.update_name("late")
        span.set_status(StatusCode.ERROR)
        found = self.span()
        self.assertEqual((len(found.attributes), found.dropped_attributes), (128, 73))
        self.assertEqual(found.attributes["list"], (1,))
        self.assertEqual([each.name for each in found.events], ["event", "exception"])
        self.assertEqual((found.name, found.status.status_code), ("other", StatusCode.UNSET))

    def test_alone(self) -> None:
        """What one span gets is in no other."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        from unixsvc.tracing.sdk_spans import SpanFactory, has_lists

        self.tracing()
        factory = SpanFactory(self.provider.get_tracer("own"))
        first = factory.start("first", SpanKind.SERVER, Context(), {})
        first.add_event("event")
        first.set_attribute("a", 1)
        second = factory.start("second", SpanKind.SERVER, Context(), {})
        second.end()
        first.end()
        one, two = self.spans()
        self.assertEqual((one.name, one.events, dict(one.attributes)), ("second", (), {}))
        self.assertEqual((has_lists(one), has_lists(two)), (False, True))

    def test_processors(self) -> None:
        """A processor of the application sees its start."""
        from opentelemetry.sdk.trace import SpanProcessor

        started: list[Any] = []

        class Processor(SpanProcessor):
            def on_start(self, span: Any, parent_context: Any = None) -> None:
                started.append(span)
                span.set_attribute("added", "yes")

        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind

        from unixsvc.tracing.sdk_spans import SpanFactory

        self.tracing()
        factory = SpanFactory(self.provider.get_tracer("own"))
        self.provider.add_span_processor(Processor())
        span = factory.start("GET", SpanKind.SERVER, Context(), {"a": "b"})
        self.assertEqual(started, [span])
        span.end()
        self.assertEqual(dict(self.span().attributes), {"a": "b", "added": "yes"})

    def test_limits(self) -> None:
        """With limits from the environment that may concern our attributes, the tracer makes all spans."""
        import opentelemetry.sdk.trace as sdk

        for name, value, found in (
            ("COUNT", "1", {"last": "abcdef"}),
            ("VALUE_LENGTH", "3", {"first": "abc", "last": "abc"}),
        ):
            self.patch(sdk, "environ", {**os.environ, f"OTEL_SPAN_ATTRIBUTE_{name}_LIMIT": value})
            self.make(first="abcdef", last="abcdef").end()
            self.assertEqual(dict(self.span().attributes), found)

    def test_other_version(self) -> None:
        """With an SDK whose spans have other fields, the tracer makes all spans."""
        from unixsvc.tracing import sdk_spans

        self.patch(sdk_spans, "_FIELDS", frozenset({"_renamed"}))
        span = self.make(a="b")
        self.assertEqual(type(span).__name__, "_Span")
        span.end()
        self.assertEqual(dict(self.span().attributes), {"a": "b"})

    def test_without_sdk(self) -> None:
        """If the SDK has been turned off, spans are not recorded."""
        from opentelemetry.context import Context
        from opentelemetry.trace import NoOpTracer, SpanKind

        from unixsvc.tracing.sdk_spans import SpanFactory, set_plain_attribute

        span = SpanFactory(NoOpTracer()).start("GET", SpanKind.SERVER, Context(), {})
        set_plain_attribute(span, "a", 1)
        self.assertFalse(span.is_recording())
