"""The client's end of circuits: connections to services of other hosts."""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from typing import Final

from twisted.python.failure import Failure

from unixsvc.bus.clock import LinkClock
from unixsvc.bus.link import NotOpened
from unixsvc.bus.node import Node
from unixsvc.bus.transport import CircuitTransport
from unixsvc.client.errors import ConnectAttemptFailed, ServiceUnreachable
from unixsvc.client.twisted.other_hosts import Preference
from unixsvc.client.twisted.protocol import TwistedClientProtocol

__all__ = ["RemoteServices"]

# How long a circuit is used, in seconds, with a jitter: a new one may lead to a host that has come later.
_SHORTEST, _LONGEST = 240.0, 360.0
_REMEDY: Final = "see what runs where: unixsvc ls"


class RemoteServices:
    """Makes connections, see :class:`~unixsvc.client.twisted.other_hosts.OtherHosts`.

    :param node: this process in the cluster.
    :param prefer: where calls go.
    :param random: returns a number between two others.
    """

    def __init__(
        self,
        node: Node,
        clock: LinkClock,
        prefer: Preference = "local",
        random: Callable[[float, float], float] = uniform,
    ) -> None:
        self.prefer = prefer
        self._node = node
        self._clock = clock
        self._random = random

    def connect(self, service: str, host: str, protocol: TwistedClientProtocol) -> None:
        """Connect a protocol to a service.

        :raises ConnectAttemptFailed: if there is no connection to the cluster.
        """
        protocol.multiplexer.host = host or "another host"

        def failed(failure: Failure) -> None:
            error = failure.value
            if not isinstance(error, NotOpened):
                failure.raiseException()
            protocol.multiplexer.not_connected(_problem(service, host, error))

        try:
            opening = self._node.open(service, host)
        except NotOpened as error:
            raise _problem(service, host, error) from None
        opening.addCallbacks(lambda opened: self._opened(opened, protocol), failed)

    def _opened(self, transport: CircuitTransport, protocol: TwistedClientProtocol) -> None:
        multiplexer = protocol.multiplexer
        multiplexer.host = transport.peer_host
        transport.on_leave = multiplexer.leave
        self._node.expect(transport, lambda: bool(multiplexer.connection.pending))
        self._clock.call_later(self._random(_SHORTEST, _LONGEST), _leave_if_open, transport)
        transport.connect(protocol)


def _problem(service: str, host: str, error: NotOpened) -> ConnectAttemptFailed:
    if host:
        # A call that only this host may repeat waits for it as long as its deadline allows.
        where = f"{service} on {host}"
        return ConnectAttemptFailed(ServiceUnreachable(where, f"cannot be reached: {error}", _REMEDY))
    reason = ServiceUnreachable(service, f"does not run here, and {error}", _REMEDY)
    problem = ConnectAttemptFailed(reason, absent=True)
    problem.known = not error.absent  # there may be a host that has it: a server may come back
    return problem


def _leave_if_open(transport: CircuitTransport) -> None:
    if transport.circuit.open:
        transport.on_leave()
