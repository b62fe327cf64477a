"""What makes spans and sends them to a collector, in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from unixsvc.config.tracing import Tracing
from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.telemetry.log_record import limited_text
from unixsvc.telemetry.rate_limit import RateLimit
from unixsvc.tracing.exporter import SpanSender
from unixsvc.tracing.sampling import make_sampler

__all__ = ["flush_in_thread", "make_provider", "make_resource"]

_MAX_BATCH: Final = 512
# The loggers that report each attempt to send spans.
_LOGGERS: Final = ("opentelemetry.exporter", "opentelemetry.sdk")
_NAMESPACE: Final = "unixsvc.tracing"
_INTERVAL: Final = 60.0  # seconds between two messages


class _Problems(logging.Handler):
    """Logs problems of the export, as one message in a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._log = LimitedLogger(_NAMESPACE, RateLimit(1, _INTERVAL))

    def emit(self, record: logging.LogRecord) -> None:
        """Log the first problem of a minute."""
        try:
            problem = limited_text(record.getMessage(), 500)
        except Exception:  # the arguments of a library's record may not fit
            problem = limited_text(record.msg, 500)
        self._log.emit("warn", "spans are not sent", "spans are not sent: {problem}", problem=problem)


def _limit_logs() -> None:
    """Have the libraries log through :class:`_Problems` only."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Problems) for each in logger.handlers):
            logger.addHandler(_Problems())
            logger.propagate = False


def make_resource(service: str, slot: int, namespace: str) -> Resource:
    """What all spans of a worker have in common; ``OTEL_RESOURCE_ATTRIBUTES`` adds to it."""
    own: Mapping[str, str | int] = {
        "service.name": service,
        "service.instance.id": f"{service}[{slot}]-{os.getpid()}",
        "process.pid": os.getpid(),
        **({"service.namespace": namespace} if namespace else {}),
    }
    return Resource.create(dict(own))


def make_provider(settings: Tracing, service: str, slot: int) -> TracerProvider:
    """Make a provider of tracers that sends spans. Its thread starts now: call it after a fork.

    :param slot: the number of the worker.
    """
    _limit_logs()
    exporter = SpanSender(settings.endpoint, headers=settings.headers or None, timeout=settings.timeout)
    processor = BatchSpanProcessor(
        exporter,
        max_queue_size=settings.max_queue,
        schedule_delay_millis=settings.interval * 1000,
        max_export_batch_size=min(_MAX_BATCH, settings.max_queue),
    )
    provider = TracerProvider(
        sampler=make_sampler(settings.sample),
        resource=make_resource(service, slot, settings.namespace),
        shutdown_on_exit=False,  # it would wait for a collector that does not answer
    )
    provider.add_span_processor(processor)
    return provider


def flush_in_thread(provider: TracerProvider, done: Callable[[], object]) -> None:
    """Send the last spans.

    :param done: called in the thread.
    """

    def flush() -> None:
        try:
            provider.shutdown()
        finally:
            done()

    # A daemon: it does not keep the process from ending.
    threading.Thread(target=flush, name="last-spans", daemon=True).start()
