"""Measurements in alternating rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from bench.load.generator import Sample
from bench.service import RunningSystem

__all__ = ["Case", "Group", "Options", "Row", "measure_group"]

_WARM_UP: Final = 0.2  # seconds, at most, of each load before the first round


class Options(Struct, frozen=True):
    """How much is measured.

    :ivar seconds: of each measurement.
    :ivar requests: between two measurements of a worker's memory.
    :ivar smoke: a short run that only shows that everything works.
    """

    seconds: float
    rounds: int
    requests: int
    smoke: bool


class Case(Struct, frozen=True):
    """One system under one load.

    :ivar measure: takes a sample, in about the given number of seconds.
    :ivar running: the system whose CPU time is read; None if it is not.
    :ivar load: name of the load, if it differs from that of the group.
    """

    system: str
    measure: Callable[[float], Sample]
    running: RunningSystem | None = None
    load: str = ""


class Group(Struct, frozen=True):
    """Cases that are measured in turn: as a rule one load on all systems.

    :ivar less: whether smaller values are better.
    :ivar once: whether one round is enough.
    """

    load: str
    cases: Sequence[Case]
    unit: str = "requests/s"
    less: bool = False
    once: bool = False


class Row(Struct, frozen=True):
    """The result of one system under one load.

    :ivar value: median of the rounds.
    :ivar each: the value of each round.
    :ivar own: share of a core that the load generator used; median.
    :ivar cost: CPU time of the system for each request, in microseconds; median. It depends less than the
        value on what else runs on the machine.
    :ivar costs: that of each round.
    :ivar libraries: the versions on which the speed of the system depends, by name.
    """

    part: str
    load: str
    system: str
    unit: str
    less: bool
    value: float
    each: list[float]
    own: float | None
    cost: float | None
    detail: dict[str, float]
    costs: list[float] = []
    libraries: Mapping[str, str] = {}


def measure_group(
    part: str, group: Group, options: Options, report_progress: Callable[[str], object]
) -> list[Row]:
    """Measure all cases in each round, in alternating order: a disturbance of the machine affects all alike.

    :param part: name of the part, for the rows.
    :param report_progress: called before each measurement with a description.
    """
    cases = list(enumerate(group.cases))
    samples: list[list[tuple[Sample, float | None]]] = [[] for _ in cases]
    if not group.once:
        for _, case in cases:
            report_progress(f"{case.load or group.load}: {case.system}, warm-up")
            case.measure(min(_WARM_UP, options.seconds))
    for number in range(1 if group.once else options.rounds):
        for index, case in cases if number % 2 == 0 else cases[::-1]:
            report_progress(f"{case.load or group.load}: {case.system}, round {number + 1}")
            samples[index].append(_measure(case, options.seconds))
    return [_row(part, group, case, samples[index]) for index, case in cases]


def _measure(case: Case, seconds: float) -> tuple[Sample, float | None]:
    """A sample, and the CPU time of the system for each request, in microseconds."""
    if case.running is None:
        return case.measure(seconds), None
    before = case.running.cpu_seconds()
    sample = case.measure(seconds)
    return sample, 1e6 * (case.running.cpu_seconds() - before) / sample.count if sample.count else None


def _row(part: str, group: Group, case: Case, samples: list[tuple[Sample, float | None]]) -> Row:
    values = [sample.value for sample, _ in samples]
    shares = [sample.generator_cpu for sample, _ in samples if sample.generator_cpu is not None]
    costs = [cost for _, cost in samples if cost is not None]
    return Row(
        part=part,
        load=case.load or group.load,
        system=case.system,
        unit=group.unit,
        less=group.less,
        value=median(values),
        each=values,
        own=median(shares) if shares else None,
        cost=median(costs) if costs else None,
        detail={key: median(sample.detail[key] for sample, _ in samples) for key in samples[0][0].detail},
        costs=costs,
        libraries={} if case.running is None else case.running.libraries,
    )
