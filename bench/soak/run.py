"""One run: the orchestrator, the load, reloads and killed workers, and a measurement every few seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

from bench.processes import BenchError, ChildProcess, ProcessGroup, free_port
from bench.service import CURRENT, new_token, start_service
from bench.soak.samples import Samples, measure
from bench.soak.traffic import Target, Traffic
from unixsvc.blocking import Client
from unixsvc.errors import ServiceError

__all__ = ["Outcome", "Plan", "soak"]

_CONFIG: Final = """\
socket_dir = "run"
[services.shop]
app = "bench.soak.app:app"
workers = 2
boot_timeout = 60
environment = {{ BENCH_SOAK_LEAK = "{leak}" }}
[services.stock]
app = "bench.soak.app:app"
boot_timeout = 60
[http]
app = "bench.soak.app:app"
listen = ["tcp:{port}:interface=127.0.0.1"]
mounts = {{ "/stock" = "stock:/" }}
boot_timeout = 60
environment = {{ BENCH_SOAK_LEAK = "{leak}" }}
[log]
level = "error"
"""
_START: Final = 60.0  # seconds
_ORCHESTRATOR: Final = "orchestrator"
# The service whose workers are replaced and killed; those of the others live as long as the run.
_RESTARTED: Final = "shop"


class Plan(Struct, frozen=True):
    """What to do, and how often; all times are in seconds.

    :ivar warm_up: the time after the start of a process that does not count.
    :ivar leak: bytes that each request leaks, to see that it is found.
    """

    duration: float
    warm_up: float
    sample_every: float
    reload_every: float
    kill_every: float
    leak: int = 0


class Outcome(Struct, frozen=True):
    """The result.

    :ivar done: how many requests were answered, by their kind.
    :ivar failed: how many were not.
    :ivar reloads: how many there were.
    :ivar kills: how many workers were killed.
    """

    samples: Samples
    done: dict[str, int]
    failed: dict[str, int]
    reloads: int
    kills: int


def soak(plan: Plan, processes: ProcessGroup, report_progress: Callable[[str], object]) -> Outcome:
    """Run it.

    :raises BenchError: if the orchestrator cannot start, or does not go on.
    """
    folder = processes.new_folder("soak")
    target = Target(free_port(), str(folder / "run"), new_token(folder))
    report_progress("starting")
    child = start_service(processes, folder, _CONFIG.format(port=target.port, leak=plan.leak), CURRENT)
    with target.client(_ORCHESTRATOR) as control:
        child.wait_until(lambda: _is_ready(control), _START)
        with Traffic(target) as traffic:
            operator = _Operator(plan, child, control, report_progress)
            operator.run(lambda: sum(traffic.done.values()))
    done, failed = dict(traffic.done), dict(traffic.failed)
    return Outcome(operator.samples, done, failed, operator.reloads, operator.kills)


class _Operator:
    """Measures, reloads and kills until the time is over."""

    def __init__(
        self, plan: Plan, child: ChildProcess, control: Client, report_progress: Callable[[str], object]
    ) -> None:
        self._plan = plan
        self._child = child
        self._control = control
        self._report_progress = report_progress
        self.samples = Samples(plan.warm_up / 60)
        self.reloads = self.kills = 0

    def run(self, requests: Callable[[], int]) -> None:
        """Do it.

        :param requests: returns how many were answered so far.
        """
        plan, begin = self._plan, time.monotonic()
        while (elapsed := time.monotonic() - begin) < plan.duration:
            self._measure(elapsed / 60)
            if elapsed >= (self.reloads + 1) * plan.reload_every:
                self.reloads += 1
                self._control.call("POST", "/reload", {"service": _RESTARTED})
            elif elapsed >= (self.kills + 1) * plan.kill_every:
                self.kills += 1
                self._kill()
            self._report_progress(
                f"{elapsed / 60:.1f} of {plan.duration / 60:g} minutes, {requests():,} requests, "
                f"{self.reloads} reloads, {self.kills} killed workers"
            )
            time.sleep(max(0.0, begin + elapsed + plan.sample_every - time.monotonic()))

    def _measure(self, minutes: float) -> None:
        pids = [(_ORCHESTRATOR, self._child.pid)]
        for name, service in self._status().items():
            workers = [each for each in service["workers"] if each["status"] == "ready" and each["pid"]]
            pids += [(f"{name} worker", each["pid"]) for each in workers]
        for role, pid in pids:
            sample = measure(pid, minutes)
            if sample is not None:
                self.samples.add(role, pid, sample)
            elif role == _ORCHESTRATOR:
                raise BenchError(f"the orchestrator has ended; its log:\n{self._child.log}")

    def _kill(self) -> None:
        workers = self._status()[_RESTARTED]["workers"]
        with suppress(ProcessLookupError, StopIteration):
            os.kill(next(each["pid"] for each in workers if each["status"] == "ready"), signal.SIGKILL)

    def _status(self) -> Any:
        try:
            return self._control.call("GET", "/status")
        except ServiceError as error:
            raise BenchError(
                f"the orchestrator does not answer: {error}; its log:\n{self._child.log}"
            ) from error


def _is_ready(control: Client) -> bool:
    try:
        services: Any = control.call("GET", "/services")
    except ServiceError:
        return False
    return all(each["status"] == "ready" for each in services)
