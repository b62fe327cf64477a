"""Numbers that Python accepts and JSON has not."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

__all__ = ["is_odd"]

# Decimal() also accepts underscores, spaces and the digits of other scripts.
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def is_odd(text: str, value: object) -> bool:
    """Return whether a number is not finite, or not written as JSON writes numbers.

    :param text: from which it was converted.
    """
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, Decimal) and _NUMBER.fullmatch(text) is None
