"""The server's end of circuits: a service that other hosts may call."""

from __future__ import annotations

from unixsvc.bus.node import Node
from unixsvc.bus.transport import CircuitTransport
from unixsvc.domain.message import Grant, Peer
from unixsvc.server.interfaces import IServesCircuits
from unixsvc.transport.peer import SocketCaller

__all__ = ["CIRCUIT_GRANT", "accept_circuit"]

CIRCUIT_GRANT = "host"


def accept_circuit(node: Node, handler: IServesCircuits, transport: CircuitTransport) -> bool:
    """Serve a circuit.

    The caller is trusted: NATS has authenticated its host, and only this host can receive what is sent to it.
    """
    caller = SocketCaller(
        known_peer=Peer(), trusted=True, admitted=True, grant=Grant(f"{CIRCUIT_GRANT}:{transport.peer_host}")
    )
    protocol = handler.make_protocol(caller)
    transport.on_leave = protocol.drain
    node.expect(transport, lambda: bool(protocol.pending_calls()))
    transport.connect(protocol)
    return True
