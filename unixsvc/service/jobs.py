"""The jobs of an application's schedules: their arguments, and their runs in this process."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import svcs
from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.domain.trace_context import TRACEPARENT, trace_ids
from unixsvc.errors import Cancelled, ConfigError, DeadlineExceeded
from unixsvc.execution.background import RunningCoroutine
from unixsvc.routing.container import ServiceContainer
from unixsvc.routing.signature import resolve_hints
from unixsvc.schedules.spec import JobRun, Schedule, ScheduleSpec
from unixsvc.schedules.state import Run, as_datetime
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.limited_logger import LimitedLogger

if TYPE_CHECKING:
    from unixsvc.tracing.span import EndingSpan

__all__ = ["Job", "JobRunner", "make_jobs"]

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class Job(Struct, frozen=True):
    """A job with the sources of its arguments.

    :ivar types: what each parameter gets from the container, by name.
    """

    schedule: Schedule
    types: dict[str, Any]  # forms that annotations have, for which there is no type

    async def arguments(self, container: svcs.Container, run: JobRun) -> JsonObject:
        """The arguments for one run."""
        found: JsonObject = {}
        for name, svc_type in self.types.items():
            if svc_type is svcs.Container:
                found[name] = container
            else:
                found[name] = run if svc_type is JobRun else await container.aget(svc_type)
        return found


def make_jobs(schedules: Sequence[Schedule], container: ServiceContainer) -> dict[str, Job]:
    """Find the sources of the arguments of each job.

    :returns: the jobs by the names of their schedules.
    :raises ConfigError: naming the schedule, if its job can never be called.
    """
    jobs: dict[str, Job] = {}
    for schedule in schedules:
        name = schedule.spec.name
        if name in jobs:
            raise ConfigError(f"schedule {name!r}", "exists twice", "give one of them another name=...")
        jobs[name] = Job(schedule, _types_of(schedule, container.registry))
    return jobs


def _types_of(schedule: Schedule, registry: svcs.Registry) -> dict[str, Any]:
    where, job = f"schedule {schedule.spec.name!r}", schedule.job
    parameters = inspect.signature(job).parameters
    hints = resolve_hints(getattr(job, "__func__", job), where) if parameters else {}
    types: dict[str, Any] = {}
    for name, parameter in parameters.items():
        svc_type: Any = hints.get(name)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigError(where, f"the parameter {name!r} cannot be passed by name")
        if svc_type in (JobRun, svcs.Container) or (svc_type is not None and svc_type in registry):
            types[name] = svc_type
        elif parameter.default is parameter.empty:
            if svc_type is None:
                raise ConfigError(where, f"{name!r} has no annotation")
            remedy = "register its type in the application's container"
            raise ConfigError(where, f"nothing is registered for {name!r}", remedy)
    return types


class JobRunner:
    """Runs jobs, and counts those that run.

    :param jobs: by the names of their schedules.
    :param container: has the dependencies of the jobs.
    :param blocking: calls blocking jobs.
    :param runner: runs async jobs.
    :param now: the clock of the request context, in seconds.
    :param failures: reports exceptions to the application.
    :param service: the name of the service, for the log.
    :param start_span: starts the span of a run, or returns None; its arguments are the request and the number
        of the attempt. None without traces.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        container: ServiceContainer,
        blocking: IBlockingRunner,
        runner: ActionRunner,
        reactor: IReactorTime,
        now: Callable[[], float],
        failures: FailureLog,
        service: str,
        start_span: Callable[[Request, int], EndingSpan | None] | None = None,
    ) -> None:
        self._jobs = jobs
        self._container = container
        self._blocking = blocking
        self._runner = runner
        self._reactor = reactor
        self._now = now
        self._failures = failures
        self._log = LimitedLogger(service)
        self._start_span = start_span
        self._running: dict[int, RunningCoroutine[Failure | None] | None] = {}  # None before the start
        self._aborted = False

    @property
    def specs(self) -> tuple[ScheduleSpec, ...]:
        """The schedules, for the orchestrator."""
        return tuple(job.schedule.spec for job in self._jobs.values())

    @property
    def running(self) -> int:
        """The number of runs that have not ended."""
        return len(self._running)

    def accept(self, run: Run, on_ended: Callable[[str], object]) -> Callable[[], None]:
        """Count a run that will be started.

        :param on_ended: called at its end with the type of the exception, empty if there is none. It is not
            called after :meth:`abort`: the run is interrupted then.
        :returns: starts it.
        """
        self._running[run.number] = None
        return partial(self._start, run, on_ended)

    def _start(self, run: Run, on_ended: Callable[[str], object]) -> None:
        if self._aborted:
            del self._running[run.number]
            return
        schedule = self._jobs[run.schedule].schedule
        request = Request("RUN", run.schedule)  # its id is that of the run, in the log and in calls
        job_run = JobRun(run.schedule, as_datetime(run.due) or _EPOCH, run.attempt, request.request_id)
        deadline = math.inf if schedule.timeout is None else self._now() + schedule.timeout
        context = copy_context()
        span = None if self._start_span is None else self._start_span(request, run.attempt)
        if span is not None:
            span.enter(context)
        job = context.run(
            RunningCoroutine,
            self._run(self._jobs[run.schedule], job_run),
            (request, deadline),
            partial(self._ended, run.number, job_run, request, span, on_ended),
        )
        self._running[run.number] = job
        if schedule.timeout is not None:
            error = DeadlineExceeded(f"the timeout is {schedule.timeout:g} s")
            job.set_timeout(self._reactor, schedule.timeout, error)
        job.start()

    def abort(self) -> None:
        """Cancel all runs."""
        self._aborted = True
        for job in list(self._running.values()):
            if job is not None:
                job.interrupt(Cancelled())

    async def _run(self, job: Job, run: JobRun) -> Failure | None:
        """Run a job; return its failure, if any."""
        try:
            await self._runner.run(self._call(job, run))
        except GeneratorExit:
            raise
        except BaseException:  # asyncio's CancelledError is no Exception
            return Failure()
        return None

    async def _call(self, job: Job, run: JobRun) -> None:
        container = self._container.open()
        try:
            arguments = await job.arguments(container, run)
            if job.schedule.blocking:
                await self._blocking.run(partial(job.schedule.job, **arguments))
            else:
                result: Any = job.schedule.job(**arguments)
                if hasattr(result, "__await__"):
                    await result
        except GeneratorExit:
            container.close()
            raise
        except BaseException as error:
            await container.finish(error)
            raise
        await container.finish(None)

    def _ended(
        self,
        number: int,
        run: JobRun,
        request: Request,
        span: EndingSpan | None,
        on_ended: Callable[[str], object],
        failure: Failure | None,
    ) -> None:
        del self._running[number]
        if span is not None:
            span.end_run(None if failure is None else failure.value)
        fields = {**_fields(run), "trace": trace_ids(request.meta.get(TRACEPARENT))}
        if self._aborted:
            message = "schedule {schedule}: the run for {tick} was interrupted"
            self._log.emit("warn", "a run was interrupted", message, **fields)
            return
        error = ""
        if failure is not None and failure.value is not None:
            error = type(failure.value).__name__
            message = "schedule {schedule}: the run for {tick} failed: {exception!r}"
            self._log.failure(message, failure, exception=failure.value, **fields)
            self._failures.report(request, failure.value)
        on_ended(error)


def _fields(run: JobRun) -> dict[str, str]:
    """What each event about a run contains."""
    tick = run.scheduled_at.isoformat()
    return {"schedule": run.schedule, "tick": tick, "request_id": run.id}
