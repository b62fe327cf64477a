"""The metrics of applications, which workers report and the orchestrator adds up."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add
from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.config.metrics import GaugeRule
from unixsvc.telemetry.exposition.model import Exemplar, Family, Kind, Sample, label_text

__all__ = [
    "AppFamily",
    "AppSample",
    "AppSnapshot",
    "WorkerMetrics",
    "decode_families",
    "exemplars_of",
    "service_families",
    "sum_families",
]

# These can be added, also over workers that have ended; of a counter for instance all samples.
_ADDED: Final = ("counter", "histogram", "summary")
_PRESENT_ONLY: Final = ("gauge", "unknown", "gaugehistogram")
_WORKER: Final = "worker"
_SERVICE: Final = "service"
_RENAMED: Final = "exported_"
"""The beginning of labels of the application that have the name of one of ours, as Prometheus does it."""


class AppSample(Struct, frozen=True, array_like=True):
    """One value; its labels are those of the application."""

    suffix: str
    labels: dict[str, str]
    value: float
    exemplar: Exemplar | None = None


class AppFamily(Struct, frozen=True, array_like=True):
    """One metric of an application in one process."""

    name: str
    kind: Kind
    help: str
    unit: str
    samples: list[AppSample]


# Not strict: JSON has no NaN and no infinity, which are text therefore.
_decoder: Final = msgspec.json.Decoder(list[AppFamily], strict=False)
# Those of Prometheus before version 3: with others the text would need quotes.
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class WorkerMetrics(Struct, frozen=True):
    """The last report of one worker; the newer one of two has the greater number."""

    number: int
    slot: int
    families: Sequence[AppFamily]


class AppSnapshot(Struct, frozen=True):
    """The metrics of the application of one service.

    :ivar ended: what workers have counted that have ended.
    :ivar requests: recorded requests by route, as ``GET /user/{id}``.
    """

    workers: list[WorkerMetrics]
    ended: Sequence[AppFamily] = ()
    requests: Mapping[str, Sequence[Exemplar]] = {}


def decode_families(text: str) -> list[AppFamily]:
    """Decode the report of a worker, without metrics that have other characters in their names.

    :raises msgspec.DecodeError: if it is not valid.
    """
    return [each for each in _decoder.decode(text) if _has_plain_names(each)]


def _has_plain_names(family: AppFamily) -> bool:
    names = {family.name, *(name for sample in family.samples for name in sample.labels)}
    suffixes = {sample.suffix for sample in family.samples}
    return all(map(_NAME.fullmatch, names)) and all(_NAME.fullmatch(family.name + each) for each in suffixes)


def exemplars_of(requests: Iterable[tuple[str, str, str, float, float]]) -> dict[str, list[Exemplar]]:
    """Recorded requests by route.

    :param requests: of each its route, the ids of its trace and its span, its duration and its end in
        seconds.
    """
    found: dict[str, list[Exemplar]] = {}
    for route, trace, span, seconds, time in requests:
        exemplar = Exemplar({"trace_id": trace, "span_id": span}, seconds, time)
        found.setdefault(route, []).append(exemplar)
    return found


def sum_families(before: Iterable[AppFamily], families: Iterable[AppFamily]) -> list[AppFamily]:
    """Add the counters, histograms and summaries of a worker that has ended."""
    found: dict[tuple[str, Kind], tuple[AppFamily, dict[tuple[str, str], AppSample]]] = {}
    for family in (*before, *families):
        if family.kind in _ADDED:
            _, samples = found.setdefault((family.name, family.kind), (family, {}))
            for sample in family.samples:
                _add(samples, (sample.suffix, label_text(sample.labels)), sample, add)
    return [msgspec.structs.replace(family, samples=[*each.values()]) for family, each in found.values()]


def service_families(
    service: str, snapshot: AppSnapshot, rules: Mapping[str, GaugeRule]
) -> dict[tuple[str, Kind], Family]:
    """The metrics of the application of a service, added up.

    :param rules: of gauges by name; ``sum`` for the others.
    """
    found: dict[tuple[str, Kind], Family] = {}
    values: dict[tuple[str, Kind], dict[tuple[str, str], AppSample]] = {}
    workers = sorted(snapshot.workers, key=lambda each: each.number)
    sources = [(0, snapshot.ended), *((each.slot, each.families) for each in workers)]
    for slot, families in sources:
        for family in families:
            key = family.name, family.kind
            rule = rules.get(family.name, "sum") if family.kind in _PRESENT_ONLY else "sum"
            extra = {_SERVICE: service, **({_WORKER: str(slot)} if rule == "worker" else {})}
            found.setdefault(key, Family(family.name, family.kind, family.help, [], family.unit))
            combine = add if family.kind in (*_ADDED, *_PRESENT_ONLY) else max
            samples = values.setdefault(key, {})
            for sample in family.samples:
                _add(
                    samples, (sample.suffix, _labels(extra, sample.labels)), sample, _RULES.get(rule, combine)
                )
    for key, samples in values.items():
        found[key].samples.extend(
            Sample(suffix, labels, each.value, each.exemplar) for (suffix, labels), each in samples.items()
        )
    return found


def _labels(extra: Mapping[str, str], labels: Mapping[str, str]) -> str:
    renamed = {(_RENAMED + name if name in extra else name): value for name, value in labels.items()}
    return label_text({**extra, **renamed})


def _add(
    samples: dict[tuple[str, str], AppSample],
    key: tuple[str, str],
    sample: AppSample,
    combine: Callable[[float, float], float],
) -> None:
    before = samples.get(key)
    if before is not None:
        newest = max((before.exemplar, sample.exemplar), key=_time)
        sample = AppSample(sample.suffix, sample.labels, combine(before.value, sample.value), newest)
    samples[key] = sample


def _time(exemplar: Exemplar | None) -> float:
    return -math.inf if exemplar is None else exemplar.time or 0.0


def _last(before: float, value: float) -> float:
    return value


_RULES: Final[dict[GaugeRule, Callable[[float, float], float]]] = {
    "min": min,
    "max": max,
    "last": _last,
    "worker": add,
}
