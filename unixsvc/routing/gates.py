"""Gates: what a request has to pass before the action of its route is called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from unixsvc.domain.message import Request
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature

__all__ = ["AccessGate", "Gate", "GateFactory", "pass_gates"]

Gate = Callable[[Request], Awaitable[None] | None]
"""Lets a request pass, or raises a :class:`~unixsvc.errors.ServiceError`.

It may set ``request.user`` and add headers to the reply. The arguments are not bound yet.
"""

GateFactory = Callable[[Route, Signature, str], Gate | None]
"""Makes the gate of a route; None if every request to the route may pass.

The last argument is the route, for error messages. :class:`~unixsvc.errors.ConfigError` is raised for options
that can never work.
"""


class AccessGate(ABC):
    """A gate that decides itself about callers that are not trusted, instead of the router."""

    @property
    @abstractmethod
    def security(self) -> list[dict[str, list[str]]]:
        """The ways to be admitted, as ``security`` of an operation in OpenAPI."""

    @abstractmethod
    def __call__(self, request: Request) -> Awaitable[None] | None:
        """Let a request pass, as every gate."""


def pass_gates(gates: Sequence[Gate], request: Request) -> Awaitable[None] | None:
    """Let a request pass its gates; None if it has passed them all, else it has when the result is awaited.

    :raises unixsvc.errors.ServiceError: if it may not pass one.
    """
    for number, gate in enumerate(gates):
        waiting = gate(request)
        if waiting is not None:
            return _pass_later(waiting, gates[number + 1 :], request)
    return None


async def _pass_later(waiting: Awaitable[None], others: Sequence[Gate], request: Request) -> None:
    await waiting
    for gate in others:
        following = gate(request)
        if following is not None:
            await following
