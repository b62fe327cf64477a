"""All targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from tests.fuzz.configuration import CONFIGURATION
from tests.fuzz.framing import FRAMING
from tests.fuzz.http_requests import HTTP
from tests.fuzz.socket_messages import SOCKET
from tests.fuzz.target import Target

__all__ = ["TARGETS", "WELL_FORMED", "share_well_formed"]

TARGETS: Final[Mapping[str, Target[Any]]] = {
    each.name: each for each in (FRAMING, SOCKET, HTTP, CONFIGURATION)
}
WELL_FORMED: Final = 0.5
"""The share of replies on a socket that must not be 400: others would test only the decoder of messages."""


def share_well_formed(outcomes: Counter[str]) -> float:
    """The share of replies on a socket that are not 400."""
    return 1 - outcomes["400"] / (outcomes.total() or 1)
