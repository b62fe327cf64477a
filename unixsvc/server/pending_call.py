"""A request whose reply is not complete, as an operator sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from unixsvc.errors import ServiceError

if TYPE_CHECKING:
    from unixsvc.execution.in_flight.facts import CallFacts

__all__ = ["PendingCall"]


class PendingCall(Protocol):
    """A request whose reply is not complete."""

    def facts(self) -> CallFacts:
        """What is known of it."""

    def cancel(self, reason: ServiceError) -> None:
        """Cancel its action; ``reason`` is the reply."""
