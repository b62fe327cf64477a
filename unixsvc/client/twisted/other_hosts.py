"""What a client needs to call services of other hosts."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from unixsvc.client.twisted.protocol import TwistedClientProtocol

__all__ = ["OtherHosts", "Preference"]

Preference: TypeAlias = Literal["local", "only-local", "any"]
"""``local``: other hosts while the service of this one cannot be reached. ``only-local``: never. ``any``:
both."""


class OtherHosts(Protocol):
    """Makes connections to services of other hosts.

    :ivar prefer: where calls go.
    """

    prefer: Preference

    def connect(self, service: str, host: str, protocol: TwistedClientProtocol) -> None:
        """Connect a protocol to a service.

        If it cannot be connected, its multiplexer learns it.

        :param host: the host; empty for any that has the service.
        :raises unixsvc.client.errors.ConnectAttemptFailed: if that is known at once.
        """
