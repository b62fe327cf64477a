"""Metrics as both text formats have them: families of samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct

__all__ = ["Exemplar", "Family", "Kind", "Sample", "label_text"]

Kind: TypeAlias = Literal[
    "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"
]
"""The types of OpenMetrics; a counter's samples end with ``_total``, those of ``info`` with ``_info``."""

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exemplar(Struct, frozen=True):
    """One observation out of those that a sample counts.

    :ivar time: in seconds since 1970; None if it is not known.
    """

    labels: dict[str, str]
    value: float
    time: float | None = None


class Sample(Struct, frozen=True):
    """One value.

    :ivar suffix: what follows the name of the family, as ``_total``.
    :ivar labels: as :func:`label_text` makes them.
    """

    suffix: str
    labels: str
    value: float
    exemplar: Exemplar | None = None


class Family(Struct, frozen=True):
    """The samples of one metric.

    :ivar name: without the suffixes of its samples.
    :ivar unit: the end of its name, as ``seconds``; empty for a plain number.
    """

    name: str
    kind: Kind
    help: str
    samples: list[Sample]
    unit: str = ""


def label_text(labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """Labels as in the text formats, without the braces: ``service="shop",code="200"``."""
    items = labels.items() if isinstance(labels, Mapping) else labels
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in items)


@lru_cache(4096)
def _escaped(value: str) -> str:
    """The value of a label; lone surrogates, which have no UTF-8, become question marks."""
    return value.translate(_ESCAPES).encode("utf-8", "replace").decode()
