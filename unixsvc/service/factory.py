"""Builds a service from its configuration: the one place where its parts are wired."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack, cast

from twisted.internet.interfaces import IReactorFromThreads, IReactorTime, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.config.http import Http
from unixsvc.datasource.idempotency.datasource import IdempotentDatasource
from unixsvc.datasource.idempotency.directory import directory_path
from unixsvc.datasource.idempotency.store import IdempotencyStore, StoreLimits
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IBlockingRunner, IGuard, IRouterDatasource, IServices
from unixsvc.domain.message import Request
from unixsvc.domain.providers import as_provider
from unixsvc.errors import ConfigError
from unixsvc.execution.background import Tasks
from unixsvc.execution.loop_runner import runner_for
from unixsvc.execution.shared_result import SharedResult
from unixsvc.execution.threads import ThreadRunner
from unixsvc.routing.app import App, load_object
from unixsvc.routing.builtin_routes import BuiltinRoutes
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.router import Router
from unixsvc.security.tokens import TokenGuard
from unixsvc.server.context import Admission, HandlerContext, HttpOptions
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.application import start_application
from unixsvc.service.calls.interceptors import around_pages, intercept, with_interceptors
from unixsvc.service.calls.limits import ServiceLimits
from unixsvc.service.contracts import ServiceContracts
from unixsvc.service.core import ServiceCore
from unixsvc.service.gates import make_gates, make_user_gates, start_schemes
from unixsvc.service.health import HealthCheck
from unixsvc.service.host import ServiceHost
from unixsvc.service.optional_parts import (
    access_log,
    cluster_of,
    gated,
    make_job_runner,
    mounted,
    readiness,
    traces,
)
from unixsvc.service.spec import WorkerConfig
from unixsvc.service.statistics import ServiceStatistics
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.metrics.page import PageWriter
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics
from unixsvc.transport.private_apis import asyncio_loop_of

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from unixsvc.limiting.table import RateTable
    from unixsvc.service.tracing import ServiceTracing
    from unixsvc.telemetry.access.log import Journal

__all__ = ["handler_context", "make_core", "make_service_host"]


FailureObserver: TypeAlias = Callable[[BaseException, Request], object]


class CoreParts(TypedDict, total=False):
    """The parts of a service that tests and embedding programs replace.

    :ivar blocking: runs blocking actions; a thread pool of the service's own if None.
    :ivar services: calls other services for controllers; the real clients if None.
    :ivar now: the clock for deadlines and latencies, in seconds.
    :ivar guard: authenticates callers; None for the token and the policy of the configuration.
    :ivar on_failure: called with each exception that peers must not see, and with the request.
    :ivar loop: the asyncio event loop of the application; None for that of the reactor.
    :ivar acting_user: returns the user of all requests; None to let the application authenticate users.
    :ivar limits: makes the table of rate limits; memory of this process without it.
    :ivar metrics_page: has the counters of the worker; memory of this process without it.
    :ivar access: takes the entries of the access log; None to log them as other events.
    :ivar tracing: makes the spans; None for what the configuration says.
    """

    blocking: IBlockingRunner | None
    services: IServices | None
    now: Callable[[], float]
    guard: IGuard | None
    on_failure: FailureObserver | None
    loop: AbstractEventLoop | None
    acting_user: Callable[[], object] | None
    limits: Callable[[], RateTable]
    metrics_page: PageWriter
    access: Journal | None
    tracing: ServiceTracing | None


async def make_service_host(
    config: WorkerConfig,
    app: App,
    endpoint: IStreamServerEndpoint,
    reactor: IReactorTime,
    *,
    admission: Admission | None = None,
    **parts: Unpack[CoreParts],
) -> ServiceHost:
    """Build a service with the request handler that its settings name.

    :param endpoint: where the handler listens.
    :param reactor: provides ``IReactorFromThreads`` as well, unless ``blocking`` is given.
    :param admission: decides which processes may connect; None for the rules of the configuration.
    :raises ConfigError: for an application or a request handler that cannot work.
    """
    core = await make_core(config, app, reactor, **parts)
    handler = _load_handler(
        config.settings.handler, handler_context(core, app, endpoint, reactor, admission=admission)
    )
    return ServiceHost(core, handler, reactor)


async def make_core(
    config: WorkerConfig, app: App, reactor: IReactorTime, **parts: Unpack[CoreParts]
) -> ServiceCore:
    """Build all of a service but its request handler; the parameters are those of :func:`make_service_host`.

    :raises ConfigError: for an application that cannot work.
    """
    blocking, now = parts.get("blocking"), parts.get("now", time.perf_counter)
    threads = None
    if blocking is None:
        # Not an adaption: memory reactors of tests have the methods without the declaration.
        blocking = threads = ThreadRunner(cast(IReactorFromThreads, reactor), config.settings.threads)
    http = config.http or Http()
    cluster = cluster_of(config, reactor)
    metrics = ServiceMetrics(parts.get("metrics_page"))
    clients = ServiceClients(
        http.socket_dir or config.socket_dir,
        config.token,
        reactor,
        now,
        other_hosts=None if cluster is None else cluster.other_hosts,
        on_end=metrics.count_call,
    )
    runner = runner_for(parts.get("loop") or asyncio_loop_of(reactor))
    tracing = parts.get("tracing") or traces(config, now)
    calls = clients if tracing is None else tracing.around_services(clients)
    services = with_interceptors(parts.get("services") or calls, app.client_interceptors, runner)
    limits = ServiceLimits(config, parts.get("limits"), now)
    tasks = Tasks(config.service, blocking, runner, reactor)
    health, statistics = (
        HealthCheck(
            config.service, reactor, config.limits.request_timeout, runner, config.settings.ready_timeout
        ),
        ServiceStatistics(metrics, clients, tasks),
    )
    ended: SharedResult[None] = SharedResult()
    context = ServiceContext(config.service, config.folder, config.settings)
    schemes = start_schemes(app, context)
    if (make_table := parts.get("limits")) is not None:
        for scheme in schemes:
            scheme.share(make_table, now)
    application = await start_application(
        app,
        context,
        {IReactorTime: reactor, IServices: services, Tasks: tasks, **{type(each): each for each in schemes}},
        runner,
        partial(_lifespan_failed, config.service, ended),
    )
    users = make_user_gates(app, config.access, schemes, application.container, parts.get("acting_user"))
    router = Router(
        app,
        application.container,
        application.controllers,
        blocking=blocking,
        builtin=BuiltinRoutes(
            health.check,
            statistics.as_json,
            readiness(
                health,
                (*app.mounts.values(), *http.mounts.values()),
                lambda: parts.get("services") or clients.for_probes(),
                reactor,
                config.settings.ready_timeout,
                lambda requests: handle.make_room(requests),
            ),
        ),
        runner=runner,
        gates=make_gates(users, limits),
        security_schemes=users.descriptions if users else {},
        series=metrics.series,
    )
    store = _make_store(config)
    mounts = mounted({**app.mounts, **http.mounts}, config.service, router, services)
    library: IRouterDatasource = IdempotentDatasource(LibraryDatasource(router), router.check, store, reactor)
    if http.static:
        # Late: few services have static folders.
        from unixsvc.datasource.static import StaticDatasource

        library = StaticDatasource(library, router.has_path, http.static, config.service, metrics.series)
    repository = RouterRepository(library, gated(mounts, users, router), metrics.series)
    policy = http.token if config.http else config.security.token
    guard = parts.get("guard") or TokenGuard(
        policy, config.service, config.token, config.tokens, over_http=config.http is not None
    )
    spans_observer = None if tracing is None else tracing.failed
    report = _error_report(app, router, [parts.get("on_failure"), spans_observer])
    failures = FailureLog(config.service, report)
    handle = HandleMessage(
        limits.around(intercept(repository, config.service, application, router, now)),
        guard,
        metrics,
        failures,
        max_inflight=config.limits.max_inflight,
        request_timeout=config.limits.request_timeout,
        now=now,
        keep_current=bool(mounts) or router.may_use(IServices) or bool(application.interceptors),
        background=tasks.after_reply,
        find_route=router.route_of,
        notable=statistics.notable,
        log=access_log(config, parts.get("access")),
    )
    contracts = ServiceContracts(config.service, router, mounts)
    jobs = make_job_runner(application, blocking, router, reactor, now, failures, config.service, tracing)
    return ServiceCore(
        config,
        application,
        ended,
        tasks,
        router,
        repository,
        handle,
        limits,
        users,
        failures,
        store,
        clients,
        health,
        statistics,
        contracts,
        guard,
        threads,
        jobs,
        around_pages(config.service, application, now),
        None if tracing is None else tracing.around(handle, router, repository),
        tracing,
        reactor,
        cluster,
    )


def handler_context(
    core: ServiceCore,
    app: App,
    endpoint: IStreamServerEndpoint,
    reactor: IReactorTime,
    *,
    admission: Admission | None = None,
) -> HandlerContext:
    """The context for a request handler that serves ``core`` on an endpoint."""
    config = core.config
    http = config.http or Http()
    return HandlerContext(
        service=config.service,
        handle=core.outer_handle,
        failures=core.failures,
        endpoint=endpoint,
        limits=config.limits,
        security=config.security,
        reactor=reactor,
        owner=config.owner,
        token=config.token,
        has_path=core.has_path,
        contracts=core.contracts.collect,
        http=HttpOptions(
            http,
            None if app.web is None else partial(core.router.provide, app.web),
            app.routes,
            (*app.mounts, *http.mounts),
            lambda awaitable: core.router.runner.run(awaitable),
            core.has_get_only,
            core.limits.of_service,
            lambda: core.limits.limiter,
            core.users,
            core.page_interceptors,
            core.router.add_pages,
        ),
        admission=admission,
        is_mounted=core.repository.is_mounted,
        traffic=core.statistics.traffic,
        body_spec=core.body_spec if core.router.has_special_bodies else None,
        on_refused=core.outer_handle.refused,
        cluster=core.cluster,
    )


def _lifespan_failed(service: str, ended: SharedResult[None], error: BaseException) -> None:
    Logger(namespace=service).failure("the lifespan of the application has ended", Failure(error))
    ended.succeed(None)


def _error_report(
    app: App, router: Router, optional: Sequence[FailureObserver | None]
) -> FailureObserver | None:
    hook, observers = app.error_hook, [each for each in optional if each is not None]
    if hook is None and not observers:
        return None

    def report(error: BaseException, request: Request) -> None:
        for observe in observers:
            observe(error, request)
        if hook is not None:
            hook(error, request, router.route_of(request))

    return report


def _make_store(config: WorkerConfig) -> IdempotencyStore:
    store = IdempotencyStore(
        directory_path(config.socket_dir, config.service),
        StoreLimits(
            config.settings.answer_ttl, config.settings.max_answers, config.settings.max_answer_bytes
        ),
    )
    store.check()
    return store


def _load_handler(spec: str, context: HandlerContext) -> IRequestHandler:
    """Make the request handler that the settings name as ``package.module:name``."""
    make: Callable[[HandlerContext], Any] = load_object(spec)  # of an application, so it may be anything
    handler = as_provider(IRequestHandler, make(context))
    if handler is None:
        raise ConfigError(spec, "is not a request handler", "give it the methods of unixsvc.IRequestHandler")
    return handler
