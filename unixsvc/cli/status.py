"""``unixsvc status``: the state of services and workers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import click
import msgspec
from msgspec import Struct

from unixsvc.cli.output import print_json, print_line, print_table
from unixsvc.cli.session import Session, location_options
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway

__all__ = ["status"]

_HEADERS: Final = [
    "SERVICE",
    "PID",
    "STATUS",
    "UP",
    "REQUESTS",
    "ERRORS",
    "MEAN ms",
    "P99 ms",
    "CLIENTS",
    "MiB",
]
_SCHEDULE_HEADERS: Final = [
    "SERVICE",
    "SCHEDULE",
    "TIMES",
    "NEXT IN",
    "LAST",
    "RUNS",
    "FAILED",
    "INTERRUPTED",
    "MISSED",
]
_TASK_HEADERS: Final = ["SERVICE", "TASK", "RUNNING", "DONE", "FAILED", "INTERRUPTED"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all metrics as JSON, in seconds and bytes.")
@location_options
@click.pass_obj
def status(session: Session, as_json: bool) -> None:
    """Show each service and its workers."""
    raw = session.request(CONTROL_SERVICE, "/status")
    if as_json:
        print_json(raw, terminal=session.terminal)
        return
    try:
        services = msgspec.json.decode(raw, type=dict[str, _Service])
    except msgspec.DecodeError as error:
        raise BadGateway(f"the status cannot be read: {shortened(str(error))}") from None
    rows = []
    for name, service in services.items():
        rows.append(_service_row(name, service))
        rows += [_worker_row(worker) for worker in service.workers]
    print_table(_HEADERS, rows, terminal=session.terminal)
    schedules = [
        _schedule_row(name, each) for name, service in services.items() for each in service.schedules
    ]
    if schedules:
        print_table(_SCHEDULE_HEADERS, schedules, terminal=session.terminal)
    tasks = [_task_row(name, *each) for name, service in services.items() for each in service.tasks.items()]
    if tasks:
        print_table(_TASK_HEADERS, tasks, terminal=session.terminal)
    for name, service in services.items():
        for line in _problems(name, service):
            print_line(line)


class _Process(Struct, frozen=True):
    pid: int | None = None
    status: str = ""
    uptime: float | None = None
    requests: int = 0
    errors: int = 0


class _Worker(_Process, frozen=True):
    connections: int = 0
    rss: int | None = None


class _Latency(Struct, frozen=True):
    p99: float | None = None


class _ClientState(Struct, frozen=True):
    open: int = 0
    half_open: int = 0


class _LastRun(Struct, frozen=True):
    outcome: str = ""


class _Schedule(Struct, frozen=True):
    name: str = ""
    schedule: str = ""
    next: datetime | None = None
    last: _LastRun | None = None
    running: float | None = None
    runs: int = 0
    failures: int = 0
    interrupted: int = 0
    missed: int = 0


class _Tasks(Struct, frozen=True):
    running: int = 0
    done: int = 0
    failed: int = 0
    interrupted: int = 0


class _Service(_Process, frozen=True):
    average: float | None = msgspec.field(default=None, name="avgResponseTime")
    workers: list[_Worker] = []
    latency: _Latency = _Latency()
    problem: str = ""
    services: dict[str, _ClientState] = {}
    schedules: list[_Schedule] = []
    tasks: dict[str, _Tasks] = {}


def _problems(name: str, service: _Service) -> Iterator[str]:
    """The last problem of a service, and the circuit breakers of its clients that are not closed."""
    if service.problem:
        yield f"{name}: {service.problem}"
    for other, client in service.services.items():
        counts = {"open": client.open, "half-open": client.half_open}
        states = [f"{state} in {count}" for state, count in counts.items() if count]
        if states:
            # "->" in ASCII, as a terminal may not have the arrow.
            yield f"{name} -> {other}: circuit {', '.join(states)} of {_workers(len(service.workers))}"


def _workers(count: int) -> str:
    return f"{count} worker" if count == 1 else f"{count} workers"


def _service_row(name: str, service: _Service) -> list[str]:
    return [
        name,
        "",
        service.status,
        _duration(service.uptime),
        str(service.requests),
        str(service.errors),
        _milliseconds(service.average) if service.requests else "",
        _milliseconds(service.latency.p99) if service.requests else "",
        str(sum(worker.connections for worker in service.workers)),
        _mebibytes(sum(worker.rss or 0 for worker in service.workers)),
    ]


def _worker_row(worker: _Worker) -> list[str]:
    return [
        "",
        "" if worker.pid is None else str(worker.pid),
        worker.status,
        _duration(worker.uptime),
        str(worker.requests),
        str(worker.errors),
        "",
        "",
        str(worker.connections),
        _mebibytes(worker.rss or 0),
    ]


def _schedule_row(service: str, schedule: _Schedule) -> list[str]:
    last = "" if schedule.last is None else schedule.last.outcome
    if schedule.running is not None:
        last = f"running {_duration(schedule.running)}"
    following = None
    if schedule.next is not None:
        following = max((schedule.next - datetime.now(UTC)).total_seconds(), 0.0)
    counts = schedule.runs, schedule.failures, schedule.interrupted, schedule.missed
    return [service, schedule.name, schedule.schedule, _duration(following), last, *map(str, counts)]


def _task_row(service: str, name: str, tasks: _Tasks) -> list[str]:
    counts = tasks.running, tasks.done, tasks.failed, tasks.interrupted
    return [service, name, *map(str, counts)]


def _duration(seconds: float | None) -> str:
    """A duration in its two largest units, such as ``3d 4h``."""
    if seconds is None:
        return ""
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2])


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.2f}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f}" if size else ""
