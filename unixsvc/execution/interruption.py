"""The error that an action gets when its request is cancelled or exceeds its deadline."""

from __future__ import annotations

import sys
from typing import Final

from unixsvc.errors import ServiceError

__all__ = ["interruption"]

_classes: Final[dict[type[ServiceError], type[ServiceError]]] = {}


def interruption(reason: ServiceError) -> ServiceError:
    """Return an error of the same class that is an :class:`asyncio.CancelledError`, too.

    So ``except DeadlineExceeded`` catches it, and asyncio's libraries take it for a cancellation: a
    ``TaskGroup`` cancels its tasks and raises it again.

    :returns: the reason itself where no asyncio event loop runs.
    """
    asyncio = sys.modules.get("asyncio")  # the orchestrator does not load it
    if asyncio is None or asyncio._get_running_loop() is None:
        return reason
    kind = _classes.get(type(reason))
    if kind is None:
        kind = _classes[type(reason)] = _make_class(type(reason), asyncio.CancelledError)
    error = kind.__new__(kind, *reason.args)
    error.__dict__.update(reason.__dict__)
    return error


def _make_class(kind: type[ServiceError], cancelled: type[BaseException]) -> type[ServiceError]:
    return type(kind.__name__, (kind, cancelled), {"__module__": kind.__module__})
