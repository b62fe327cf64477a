"""The figures of all services at one moment, as ``GET /metrics`` of the control API has them."""

from __future__ import annotations

import time
from typing import Final

import msgspec
from msgspec import Struct

from unixsvc.cli.session import Session
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.domain.validation.field_errors import shortened
from unixsvc.errors import BadGateway
from unixsvc.orchestrator.figures import ServiceFigures

__all__ = ["Sample", "read_sample", "take_sample"]

_PATIENCE: Final = 5.0  # seconds


class Sample(Struct, frozen=True):
    """The services by name.

    :ivar time: on a clock of this process, in seconds.
    """

    time: float
    services: dict[str, ServiceFigures]


def read_sample(reply: bytes, moment: float) -> Sample:
    """Read a reply.

    :param moment: when it came, in seconds.
    :raises BadGateway: if it cannot be read.
    """
    try:
        return Sample(moment, msgspec.json.decode(reply, type=dict[str, ServiceFigures]))
    except msgspec.DecodeError as error:
        raise BadGateway(f"the metrics cannot be read: {shortened(str(error))}") from None


def take_sample(session: Session) -> Sample:
    """Ask the orchestrator.

    :raises ServiceError: if it cannot be reached.
    :raises ConfigError: if the configuration is wrong.
    """
    reply = session.request(CONTROL_SERVICE, "/metrics", timeout=_PATIENCE)
    return read_sample(reply, time.monotonic())
