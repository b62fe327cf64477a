"""The result of comparing two revisions: ratios and their spread."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from bench.reports.machine import Machine

__all__ = [
    "INSTRUCTIONS",
    "Comparison",
    "ComparisonReport",
    "Side",
    "compare",
    "describe_excess",
    "exceeding",
]

INSTRUCTIONS: Final = "instructions"


class Side(Struct, frozen=True):
    """One of the two revisions.

    :ivar title: its name and abbreviated hash.
    :ivar commit: the whole hash; empty for a working tree.
    :ivar libraries: the version of each library, by name.
    """

    title: str
    commit: str
    libraries: dict[str, str]


class Comparison(Struct, frozen=True):
    """One measure under one load, for both revisions.

    :ivar measure: the quantity, such as ``instructions`` or ``CPU``; less is better.
    :ivar unit: of ``base`` and ``head``.
    :ivar ratio: of head to base.
    :ivar lowest: the lowest ratio of a round.
    :ivar highest: the highest ratio of a round.
    :ivar judged: whether a ratio above the limit is a failure.
    :ivar base_rounds: the value of each round of base.
    :ivar head_rounds: the value of each round of head.
    """

    load: str
    measure: str
    unit: str
    base: float
    head: float
    ratio: float
    lowest: float
    highest: float
    judged: bool
    base_rounds: list[float]
    head_rounds: list[float]


class ComparisonReport(Struct, frozen=True):
    """All comparisons of one run.

    :ivar limit: in percent; see :func:`exceeding`.
    """

    machine: Machine
    base: Side
    head: Side
    limit: float
    comparisons: list[Comparison]


def compare(
    load: str,
    measure: str,
    unit: str,
    base_rounds: Sequence[float],
    head_rounds: Sequence[float],
    *,
    judged: bool = False,
) -> Comparison:
    """Compare the rounds of two revisions; rounds of the same number belong together.

    The ratio is that of the medians.

    :raises ValueError: if the numbers of rounds differ, there is no round, or a value is not positive.
    """
    if not base_rounds or min(*base_rounds, *head_rounds, 1.0) <= 0:
        raise ValueError(f"{load}: no positive {measure} in each round: {base_rounds}, {head_rounds}")
    ratios = [head / base for base, head in zip(base_rounds, head_rounds, strict=True)]
    base, head = median(base_rounds), median(head_rounds)
    return Comparison(
        load=load,
        measure=measure,
        unit=unit,
        base=base,
        head=head,
        ratio=head / base,
        lowest=min(ratios),
        highest=max(ratios),
        judged=judged,
        base_rounds=list(base_rounds),
        head_rounds=list(head_rounds),
    )


def exceeding(comparisons: Sequence[Comparison], limit: float) -> list[Comparison]:
    """The judged comparisons whose ratio is above the limit, the highest first.

    :param limit: by how much head may exceed base, in percent.
    """
    found = [each for each in comparisons if each.judged and each.ratio > 1 + limit / 100]
    return sorted(found, key=lambda each: each.ratio, reverse=True)


def describe_excess(found: Sequence[Comparison], base: str, limit: float) -> str:
    """One line about comparisons above the limit."""
    parts = ", ".join(f"{each.load} {each.ratio - 1:+.1%}" for each in found)
    return f"more {found[0].measure} than {base}, above the limit of {limit:+g} %: {parts}"
