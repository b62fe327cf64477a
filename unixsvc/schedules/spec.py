"""The declaration of periodic work in an application."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, TypedDict, Unpack

from msgspec import Meta, Struct

from unixsvc.errors import ConfigError
from unixsvc.schedules.duration import format_duration, parse_duration

__all__ = ["JobRun", "Schedule", "ScheduleOptions", "ScheduleSpec", "cron", "every"]

_MIN_INTERVAL: Final = 0.001
_MAX_INTERVAL: Final = 1e9


class ScheduleSpec(Struct, frozen=True):
    """The part of a schedule that the orchestrator needs.

    :ivar interval: between two ticks, in seconds; 0 for a cron expression.
    :ivar cron: the cron expression; empty for an interval.
    :ivar timezone: in which the cron expression is evaluated.
    :ivar catch_up: whether a tick waits while the run of an earlier one has not ended.
    :ivar rerun: whether a run is repeated that the end of its worker has interrupted.
    """

    name: str
    interval: Annotated[float, Meta(ge=0, le=_MAX_INTERVAL)] = 0.0
    cron: str = ""
    timezone: str = "UTC"
    catch_up: bool = False
    rerun: bool = False

    @property
    def text(self) -> str:
        """The times of its ticks, for people."""
        return f"{self.cron} {self.timezone}" if self.cron else f"every {format_duration(self.interval)}"


class Schedule(Struct, frozen=True):
    """Periodic work, as :func:`every` and :func:`cron` make it.

    :ivar job: the function to call.
    :ivar blocking: whether it is called in a thread.
    :ivar timeout: the time limit for one run, in seconds; None for no limit.
    """

    spec: ScheduleSpec
    job: Callable[..., object]
    blocking: bool = False
    timeout: float | None = None


class JobRun(Struct, frozen=True):
    """One run of a job. A job gets it as the parameter with this annotation.

    :ivar schedule: the name of the schedule.
    :ivar scheduled_at: the time of the tick, in UTC: different for each tick, and equal for its repetitions.
    :ivar attempt: 1, or more if the run is a repetition (``rerun``).
    :ivar id: identifies the run in the log; it is the request id of its calls to other services.
    """

    schedule: str
    scheduled_at: datetime
    attempt: int
    id: str


class ScheduleOptions(TypedDict, total=False):
    """The options that ``every`` and ``cron`` share.

    :ivar name: shown in ``unixsvc status`` and in the log; the qualified name of the job by default.
    :ivar blocking: call the job in a thread.
    :ivar timeout: the time limit for one run: seconds, or text such as ``10m``. Only for an ``async def``.
    :ivar catch_up: a tick that comes while the run of an earlier one has not ended waits for that; by
        default it is missed.
    :ivar rerun: repeat a run that the end of its worker has interrupted; by default it is not repeated.
    """

    name: str
    blocking: bool
    timeout: float | str | None
    catch_up: bool
    rerun: bool


def every(interval: str | float, job: Callable[..., object], **options: Unpack[ScheduleOptions]) -> Schedule:
    """Declare a job that runs at an interval. The first run is one interval after the service is ready.

    :param interval: seconds, or text such as ``30s``, ``5m``, ``1h30m``; at least a millisecond.
    :param job: a function; the annotations of its parameters choose the arguments.
    :raises ConfigError: if the schedule can never work.
    """
    name = _name_of(job, options)
    where = f"schedule {name!r}"
    seconds = parse_duration(interval, where)
    if not _MIN_INTERVAL <= seconds <= _MAX_INTERVAL:
        raise ConfigError(where, f"the interval {interval!r} is out of range", "choose 1 ms to 30 years")
    return _schedule(ScheduleSpec(name, interval=seconds), job, options)


def cron(
    expression: str,
    job: Callable[..., object],
    *,
    timezone: str = "UTC",
    **options: Unpack[ScheduleOptions],
) -> Schedule:
    """Declare a job that runs at the times of a cron expression.

    :param expression: minute, hour, day of month, month, day of week, as ``0 3 * * *``; or six fields, of
        which the first is the second.
    :param job: a function; the annotations of its parameters choose the arguments.
    :param timezone: an IANA name, as ``Europe/Berlin``.
    :raises ConfigError: if the schedule can never work.
    """
    name = _name_of(job, options)
    from unixsvc.schedules.cron_ticks import check_cron  # late: zoneinfo and cronsim are for these only

    check_cron(expression, timezone, f"schedule {name!r}")
    return _schedule(ScheduleSpec(name, cron=expression, timezone=timezone), job, options)


def _name_of(job: Callable[..., object], options: ScheduleOptions) -> str:
    name = options.get("name") or getattr(job, "__qualname__", "")
    if not name:
        raise ConfigError(f"schedule {job!r}", "the job has no name", "pass one as name=...")
    return name


def _schedule(spec: ScheduleSpec, job: Callable[..., object], options: ScheduleOptions) -> Schedule:
    where = f"schedule {spec.name!r}"
    blocking, timeout = options.get("blocking", False), options.get("timeout")
    is_async = inspect.iscoroutinefunction(job)
    if blocking and is_async:
        raise ConfigError(where, "is async and blocking", "remove blocking, or make the job a plain function")
    if inspect.isgeneratorfunction(job) or inspect.isasyncgenfunction(job):
        raise ConfigError(where, "has a generator as its job", "make the job a plain function or async")
    if timeout is not None and not is_async:
        remedy = "make the job async, or limit what it calls"
        raise ConfigError(where, "has a timeout, but its job cannot be interrupted", remedy)
    seconds = None if timeout is None else parse_duration(timeout, f"timeout of {where}")
    if seconds is not None and not 0 < seconds <= _MAX_INTERVAL:
        raise ConfigError(where, f"the timeout {timeout!r} is out of range")
    catch_up, rerun = options.get("catch_up", False), options.get("rerun", False)
    spec = ScheduleSpec(spec.name, spec.interval, spec.cron, spec.timezone, catch_up, rerun)
    return Schedule(spec, job, blocking, seconds)
