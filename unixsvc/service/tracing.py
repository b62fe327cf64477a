"""The traces of one service: wires its spans, and sends the last ones at its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred

from unixsvc.config.tracing import Tracing
from unixsvc.errors import ConfigError
from unixsvc.service.spec import WorkerConfig

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from unixsvc.datasource.repository import RouterRepository
    from unixsvc.datasource.service_clients import ServiceClients
    from unixsvc.datasource.traced_services import TracedServices
    from unixsvc.domain.handle_message import HandleMessage
    from unixsvc.domain.message import Request
    from unixsvc.routing.router import Router
    from unixsvc.tracing.exemplars import SpanExample
    from unixsvc.tracing.span import EndingSpan

__all__ = ["ServiceTracing", "start_tracing"]

_NAME: Final = "unixsvc"


class ServiceTracing:
    """The parts of a service that make spans.

    :param provider: makes the tracers.
    :param settings: of the traces.
    :param now: the clock of deadlines, in seconds.
    """

    def __init__(
        self, provider: TracerProvider, service: str, settings: Tracing, now: Callable[[], float]
    ) -> None:
        from unixsvc.tracing.client import ClientSpans
        from unixsvc.tracing.server import ServerSpans

        tracer = provider.get_tracer(_NAME)
        self._provider = provider
        self._settings = settings
        self._server = ServerSpans(service, tracer, settings.sample, trust_http=settings.trust_http)
        self._client = ClientSpans(tracer, settings.link_after, now)

    def around_services(self, services: ServiceClients) -> TracedServices:
        """Return what calls other services with spans."""
        from unixsvc.datasource.traced_services import TracedServices

        return TracedServices(services, self._client)

    def around(self, handle: HandleMessage, router: Router, repository: RouterRepository) -> Any:
        """Return what answers requests with spans (IHandleMessage)."""
        from unixsvc.service.calls.traced import TracedHandle

        def route_of(request: Request) -> tuple[str, str]:
            mount = repository.mount_of(request.path)
            if mount is not None:
                return "*", f"{mount}/*"
            route = router.route_of(request)
            return ("", "") if route is None else (route.method, route.pattern)

        return TracedHandle(handle, self._server, route_of).as_function()

    def examples(self) -> list[SpanExample]:
        """The last recorded requests of each route."""
        return self._server.recent.examples()

    def start_job(self, request: Request, attempt: int) -> EndingSpan | None:
        """Start the span of a run of a job, see :meth:`unixsvc.tracing.server.ServerSpans.start_job`."""
        return self._server.start_job(request, attempt)

    def failed(self, error: BaseException, request: Request) -> None:
        """Record an exception that the peer must not see."""
        self._server.failed(error, request)

    async def close(self, reactor: Any) -> None:
        """Send the last spans, for at most ``flush_timeout``.

        :param reactor: with timers, and with ``callFromThread``.
        """
        from unixsvc.tracing.provider import flush_in_thread

        sent: Deferred[None] = Deferred()

        def done() -> None:
            if not sent.called:
                sent.callback(None)

        flush_in_thread(self._provider, lambda: reactor.callFromThread(done))
        sent.addTimeout(self._settings.flush_timeout, reactor)
        with suppress(defer.TimeoutError):  # the collector does not answer
            await sent


def start_tracing(
    config: WorkerConfig, now: Callable[[], float], *, whole_process: bool = False
) -> ServiceTracing | None:
    """Start what sends the spans of a service; None if its configuration has no traces.

    :param whole_process: whether the process serves this service only: then the tracers of its application
        are the same, and the log has the ids of their spans.
    :raises ConfigError: if the extra ``otel`` is not installed.
    """
    settings = config.tracing
    if settings.exporter == "off":
        return None
    try:
        from unixsvc.tracing.provider import make_provider
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(("opentelemetry", "google", "requests")):
            raise
        where, problem = "tracing.exporter", f"needs a package that is not installed: {error.name}"
        raise ConfigError(where, problem, "install it: pip install 'unixsvc[otel]'") from None
    provider = make_provider(settings, config.service, config.slot)
    if whole_process:
        from opentelemetry.trace import set_tracer_provider

        from unixsvc.telemetry.trace_ids import use_spans
        from unixsvc.tracing.context import current_ids

        set_tracer_provider(provider)
        use_spans(current_ids)
    return ServiceTracing(provider, config.service, settings, now)
