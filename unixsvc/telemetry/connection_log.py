"""The log of connections that were refused because of a limit of the worker."""

from __future__ import annotations

from unixsvc.domain.message import Peer
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["ConnectionLog"]


class ConnectionLog:
    """Logs refused connections at a limited rate.

    :param service: the name of the service.
    """

    def __init__(self, service: str) -> None:
        self._log = LimitedLogger(service)

    def too_many_connections(self, peer: Peer, count: int) -> None:
        """Log that a connection was refused because of ``max_connections`` or ``max_connections_per_user``.

        :param count: the number of connections that are served.
        """
        message = "a connection was refused: {count} are open"
        if peer.uid is not None:
            message = "a connection from user {uid} (process {pid}) was refused: {count} are open"
        self._log.emit("warn", "a connection was refused", message, uid=peer.uid, pid=peer.pid, count=count)

    def buffer_exhausted(self) -> None:
        """Log that a client was refused because of ``max_buffered_bytes``."""
        self._log.emit(
            "warn",
            "a client was refused because of max_buffered_bytes",
            "a client was refused: clients without a token use up max_buffered_bytes",
        )
