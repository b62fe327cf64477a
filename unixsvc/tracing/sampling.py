"""Which traces are recorded."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.context import Context, get_value
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from unixsvc.domain.request_context import current_request

__all__ = ["RECORDED", "Countdown", "gap", "make_sampler"]

RECORDED: Final = "unixsvc-recorded"
"""The key of an OpenTelemetry context for a trace that is recorded: it has been chosen already."""

_FARTHEST: Final = 2**29  # CPython counts down from larger numbers more slowly


def gap(share: float, random: Callable[[], float] = random.random) -> int:
    """The number of the next request that is recorded, counted from 1.

    One random number for each recorded request, in place of one for each request, has the same distribution:
    the geometric one.

    :param share: of the requests that are recorded, above 0 and up to 1.
    :param random: returns a number from 0 to 1, which is below 1.
    """
    if share >= 1:
        return 1
    return min(int(math.log1p(-random()) / math.log1p(-share)) + 1, _FARTHEST)


class Countdown:
    """Chooses requests by counting down to the next one.

    :param share: of the requests that are chosen, from 0 to 1.
    :param draw: as :func:`gap`.
    :ivar left: the number of the next one, counted from 1. A caller may count it down itself, which costs
        least, and call :meth:`is_chosen` at 0.
    """

    __slots__ = ("_draw", "_share", "left")

    def __init__(self, share: float, draw: Callable[[float], int] = gap) -> None:
        self._share = share
        self._draw = draw
        self.left = draw(share) if share else _FARTHEST

    def is_due(self) -> bool:
        """Count a request; whether it is chosen."""
        self.left -= 1
        return not self.left and self.is_chosen()

    def is_chosen(self) -> bool:
        """Begin the next countdown; whether the request at the end of this one is chosen."""
        self.left = self._draw(self._share) if self._share else _FARTHEST
        return self._share > 0


class _Roots(Sampler):
    """Decides about spans without a parent.

    Those of requests are chosen before there is a span. Spans of the application within a request that is not
    recorded have no parent: they are not recorded either.
    """

    def __init__(self, share: float) -> None:
        self._others = TraceIdRatioBased(share)

    def should_sample(self, parent_context: Context | None, *arguments: Any, **options: Any) -> Any:
        """See :class:`opentelemetry.sdk.trace.sampling.Sampler`; the other arguments are passed on."""
        sampler: Sampler = self._others
        if parent_context is not None and get_value(RECORDED, parent_context):
            sampler = ALWAYS_ON
        elif current_request() is not None:
            sampler = ALWAYS_OFF
        return sampler.should_sample(parent_context, *arguments, **options)

    def get_description(self) -> str:
        """Return a description."""
        return f"unixsvc({self._others.get_description()})"


def make_sampler(share: float) -> Sampler:
    """The sampler for all spans: the parent decides, if there is one."""
    return ParentBased(_Roots(share))
