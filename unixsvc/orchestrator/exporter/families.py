"""Makes metrics of the figures of services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from unixsvc.orchestrator.exporter.cpu_totals import CpuTotals
from unixsvc.orchestrator.exporter.definitions import DEFINITIONS
from unixsvc.orchestrator.figures import ProcessFigures, ServiceFigures, WorkerFigures
from unixsvc.orchestrator.pool.model import WorkerPhase
from unixsvc.telemetry.exposition.latency import LatencyBuckets
from unixsvc.telemetry.exposition.model import Exemplar, Family, Kind, Sample, label_text
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot

__all__ = ["FamilyBuilder", "ServiceLimits"]

_PHASES: Final = tuple(each.value for each in WorkerPhase)
_EXITS: Final = ("crash", "start", "watchdog", "recycled", "reload", "stop")
_OTHER_CODE: Final = "other"
# The suffixes under which the samples of a type claim names.
_SUFFIXES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "counter": ("", "_total"),
    "histogram": ("", "_bucket", "_sum", "_count"),
    "gaugehistogram": ("", "_bucket", "_gsum", "_gcount"),
    "summary": ("", "_sum", "_count"),
    "info": ("", "_info"),
}


class ServiceLimits(Struct, frozen=True):
    """The limits of each worker of a service.

    :ivar descriptors: None for no limit.
    """

    inflight: int
    connections: int
    descriptors: int | None = None


class FamilyBuilder:
    """The metrics of one scrape. Services are added one by one, so that others can do something in between.

    :param latency: the buckets of histograms.
    :param cpu: the CPU time until now.
    """

    def __init__(self, latency: LatencyBuckets, cpu: CpuTotals) -> None:
        self._latency = latency
        self._cpu = cpu
        self._families = {
            each.name: Family(each.name, each.kind, each.help, [], each.unit) for each in DEFINITIONS
        }
        self._names = {name for each in self._families.values() for name in _claimed(each)}
        self.refused: list[str] = []

    def families(self) -> Iterator[Family]:
        """All of them; none twice."""
        return iter(self._families.values())

    def add_versions(self, versions: Mapping[str, str]) -> None:
        """Add the versions of the software, by its name."""
        self._families["unixsvc_build"].samples.append(Sample("_info", label_text(versions), 1))

    def add_process(self, process: ProcessFigures, max_descriptors: int | None) -> None:
        """Add the process of the orchestrator."""
        self._add("process_cpu_seconds", "", process.cpu)
        self._add("process_resident_memory_bytes", "", process.resident)
        if process.descriptors >= 0:
            self._add("process_open_fds", "", process.descriptors)
        if max_descriptors is not None:
            self._add("process_max_fds", "", max_descriptors)

    def add_service(
        self,
        name: str,
        figures: ServiceFigures,
        limits: ServiceLimits,
        requests: Mapping[str, Sequence[Exemplar]] = {},
    ) -> None:
        """Add one service.

        :param requests: recorded requests by route.
        """
        service = label_text({"service": name})
        phases = [each.phase for each in figures.workers]
        self._add("unixsvc_service_up", service, int(WorkerPhase.READY.value in phases))
        self._add("unixsvc_service_status", _with(service, status=figures.status), 1)
        for phase in _PHASES:
            self._add("unixsvc_workers", _with(service, state=phase), phases.count(phase))
        for reason in dict.fromkeys((*_EXITS, *figures.exits)):
            self._add("unixsvc_worker_exits", _with(service, reason=reason), figures.exits.get(reason, 0))
        self._add_requests(service, figures.metrics, requests)
        self._add_clients(service, figures.metrics)
        self._add_limits(service, limits)
        self._add_workers(service, figures.workers)
        cpu = ((each.pid, each.process.cpu) for each in figures.workers if each.pid and each.process)
        self._add("unixsvc_worker_cpu_seconds", service, self._cpu.add(name, cpu))

    def add_application(self, families: Mapping[tuple[str, Kind], Family]) -> None:
        """Add the metrics of the application of a service.

        Names that another metric has already, as of another type, are refused.
        """
        for family in families.values():
            known = self._families.get(family.name)
            if known is not None and known.kind == family.kind and family.name not in _OWN:
                known.samples.extend(family.samples)
            elif self._names.isdisjoint(_claimed(family)):
                self._names |= _claimed(family)
                self._families[family.name] = family
            else:
                self.refused.append(family.name)

    def _add(self, name: str, labels: str, value: float) -> None:
        family = self._families[name]
        family.samples.append(Sample("_total" if family.kind == "counter" else "", labels, value))

    def _add_requests(
        self, service: str, metrics: MetricsSnapshot, exemplars: Mapping[str, Sequence[Exemplar]]
    ) -> None:
        for route, counts in metrics.by_route().items():
            method, _, pattern = route.partition(" ")
            labels = _with(service, method=method, route=pattern)
            for code, count in sorted(counts.codes.items()):
                self._add("unixsvc_requests", _with(labels, code=str(code) if code else _OTHER_CODE), count)
            self._add("unixsvc_request_errors", labels, counts.errors)
            histogram = self._families["unixsvc_request_duration_seconds"].samples
            found = exemplars.get(route, ())
            histogram.extend(self._latency.samples(labels, counts.buckets, counts.seconds, found))
        for caller, counts in metrics.by_caller().items():
            labels = _with(service, caller=caller)
            self._add("unixsvc_caller_requests", labels, counts.requests)
            self._add("unixsvc_caller_request_errors", labels, counts.errors)
        for path, counts in metrics.probes.items():
            for code, count in sorted(counts.codes.items()):
                self._add("unixsvc_probes", _with(service, path=path, code=str(code)), count)
        self._add("unixsvc_wrong_tokens", service, metrics.totals.wrong_tokens)
        self._add("unixsvc_received_bytes", service, metrics.totals.received)
        self._add("unixsvc_sent_bytes", service, metrics.totals.sent)

    def _add_clients(self, service: str, metrics: MetricsSnapshot) -> None:
        for target, stats in metrics.services.items():
            labels = _with(service, target=target)
            for name in ("calls", "retries", "failures", "refused", "connections"):
                self._add(f"unixsvc_client_{name}", labels, getattr(stats, name))
            for state in ("closed", "half_open", "open"):
                self._add("unixsvc_client_breakers", _with(labels, state=state), getattr(stats, state))
            self._add("unixsvc_client_spent_budgets", labels, stats.spent)
        histogram = self._families["unixsvc_client_duration_seconds"].samples
        for target, calls in metrics.calls.items():
            labels = _with(service, target=target)
            histogram.extend(self._latency.samples(labels, calls.buckets, calls.seconds))
        for task, tasks in metrics.tasks.items():
            labels = _with(service, task=task)
            self._add("unixsvc_tasks_running", labels, tasks.running)
            for result in ("done", "failed", "interrupted"):
                self._add("unixsvc_tasks", _with(labels, result=result), getattr(tasks, result))

    def _add_limits(self, service: str, limits: ServiceLimits) -> None:
        self._add("unixsvc_worker_inflight_requests_limit", service, limits.inflight)
        self._add("unixsvc_worker_connections_limit", service, limits.connections)
        if limits.descriptors is not None:
            self._add("unixsvc_worker_max_fds", service, limits.descriptors)

    def _add_workers(self, service: str, workers: Iterable[WorkerFigures]) -> None:
        """Add the figures of each slot; while a worker replaces another, both have the same one."""
        slots: dict[int, list[WorkerFigures]] = defaultdict(list)
        for worker in workers:
            slots[worker.slot].append(worker)
        for slot, each in slots.items():
            labels = _with(service, worker=str(slot))
            self._add("unixsvc_worker_connections", labels, sum(one.connections for one in each))
            self._add("unixsvc_worker_inflight_requests", labels, sum(one.inflight for one in each))
            self._add("unixsvc_worker_queued", labels, sum(one.queued for one in each))
            self._add("unixsvc_worker_event_loop_lag_seconds", labels, max(one.lag for one in each))
            for name, figure in _PROCESS.items():
                values = [figure(one.process) for one in each if one.process is not None]
                if values and min(values) >= 0:
                    self._add(f"unixsvc_worker_{name}", labels, sum(values))


_PROCESS: Final[Mapping[str, Callable[[ProcessFigures], int]]] = {
    "resident_memory_bytes": lambda process: process.resident,
    "shared_memory_bytes": lambda process: process.shared,
    "open_fds": lambda process: process.descriptors,
}
_OWN: Final = frozenset(each.name for each in DEFINITIONS)


def _claimed(family: Family) -> set[str]:
    return {family.name + suffix for suffix in _SUFFIXES.get(family.kind, ("",))}


def _with(labels: str, **more: str) -> str:
    return f"{labels},{label_text(more)}"
