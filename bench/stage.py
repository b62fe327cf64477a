"""What is measured in turn, and the systems that are there for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct

from bench.children import Child, Children
from bench.load import Sample
from bench.systems import FLOOR, OURS, SYSTEMS, Started, System, missing

__all__ = ["Case", "Group", "Options", "Row", "Stage", "alternate"]

_WARM = 0.2  # seconds of each measurement before the first that counts, at most
_FIRST = ("echo", FLOOR, "json", OURS, "twisted", "amp")  # they need nothing that the project does not


class Options(Struct, frozen=True):
    """How much is measured.

    :ivar seconds: of each measurement.
    :ivar requests: after which a worker's memory is looked at again.
    :ivar smoke: whether it is only to be seen that all is there.
    """

    seconds: float
    rounds: int
    requests: int
    smoke: bool


class Case(Struct, frozen=True):
    """One system under one load.

    :ivar measure: does it, for so many seconds.
    :ivar started: what then works.
    :ivar load: if not that of its group.
    """

    system: str
    measure: Callable[[float], Sample]
    started: Started | None = None
    load: str = ""


class Group(Struct, frozen=True):
    """What is measured in turn: one load, as a rule, and all systems that can bear it.

    :ivar less: whether less of the unit is better.
    :ivar once: whether it takes no rounds.
    """

    load: str
    cases: Sequence[Case]
    unit: str = "requests/s"
    less: bool = False
    once: bool = False


class Row(Struct, frozen=True):
    """What came of one system under one load.

    :ivar value: the median of the rounds.
    :ivar each: what each round came to.
    :ivar own: the generator's share of a core, likewise.
    :ivar cost: microseconds of a processor that the system had for each request, likewise. Where others use
        the machine, too, it says more than the value.
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


class Stage:
    """Has each system started when it is first needed.

    :param say: tells whoever waits.
    :ivar skipped: systems that are not here, and why.
    """

    def __init__(self, children: Children, options: Options, say: Callable[[str], object]) -> None:
        self.children = children
        self.options = options
        self.say = say
        self.skipped: dict[str, str] = {}
        self._started: dict[tuple[str, int], Started] = {}

    def systems(self) -> list[System]:
        """Those that can be measured."""
        found = [each for each in SYSTEMS if each.name in _FIRST or not self.options.smoke]
        return [each for each in found if self.has(each.name, each.needs)]

    def has(self, name: str, needs: tuple[str, ...]) -> bool:
        """Whether what a system needs is there; if not, that is said, once."""
        reason = missing(needs)
        if reason and name not in self.skipped:
            self.skipped[name] = reason
            self.say(f"without {name}: {reason}")
        return not reason

    def started(self, system: System, routes: int = 0) -> Started:
        """One that runs, with so many further routes."""
        key = (system.name, routes)
        if key not in self._started:
            self.say(f"starting {system.name}" + (f" with {routes:,} routes" if routes else ""))
            self._started[key] = system.start(self.children, routes)
        return self._started[key]

    def ended(self, child: Child) -> None:
        """End what was started for one measurement only."""
        self.children.end(child)

    def clear(self) -> None:
        """End those with further routes: they are large, and nobody asks for them twice."""
        for key in [each for each in self._started if each[1]]:
            self.children.end(self._started.pop(key).child)


def alternate(part: str, group: Group, options: Options, tell: Callable[[str], object]) -> list[Row]:
    """Measure all of a group in each round, so that what disturbs the machine disturbs them alike.

    :param tell: called before each measurement, with what it is.
    """
    cases = list(enumerate(group.cases))
    found: list[list[tuple[Sample, float | None]]] = [[] for _ in cases]
    if not group.once:
        for _, case in cases:
            tell(f"{case.load or group.load}: {case.system}, to warm up")
            case.measure(min(_WARM, options.seconds))
    for number in range(1 if group.once else options.rounds):
        for index, case in cases if number % 2 == 0 else cases[::-1]:
            tell(f"{case.load or group.load}: {case.system}, round {number + 1}")
            found[index].append(_measured(case, options.seconds))
    return [_row(part, group, case, found[index]) for index, case in cases]


def _measured(case: Case, seconds: float) -> tuple[Sample, float | None]:
    """A sample, and the microseconds that each request of it cost."""
    if case.started is None:
        return case.measure(seconds), None
    before = case.started.used()
    sample = case.measure(seconds)
    return sample, 1e6 * (case.started.used() - before) / sample.count if sample.count else None


def _row(part: str, group: Group, case: Case, found: list[tuple[Sample, float | None]]) -> Row:
    values = [sample.value for sample, _ in found]
    owns = [sample.own for sample, _ in found if sample.own is not None]
    costs = [cost for _, cost in found if cost is not None]
    return Row(
        part=part,
        load=case.load or group.load,
        system=case.system,
        unit=group.unit,
        less=group.less,
        value=median(values),
        each=values,
        own=median(owns) if owns else None,
        cost=median(costs) if costs else None,
        detail={key: median(sample.detail[key] for sample, _ in found) for key in found[0][0].detail},
    )
