"""Points in time."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

__all__ = ["ROUNDING", "Moment"]

# A timer that fires this little before a tick is not early: floats have been rounded. In seconds.
ROUNDING: Final = 1e-6


class Moment(Struct, frozen=True):
    """A point in time on two clocks, in seconds.

    :ivar monotonic: not affected when the clock of the machine is set.
    :ivar wall: since 1970, in UTC.
    """

    monotonic: float
    wall: float
