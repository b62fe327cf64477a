"""Which processes may connect to a service; pure."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from unixsvc.domain.message import Caller, Peer
from unixsvc.errors import Forbidden

__all__ = ["PeerRules"]


class PeerRules(Struct, frozen=True):
    """Rules about the process at the other end of a Unix socket, as the kernel reports it (SO_PEERCRED).

    Without any rule, they are false, and the permissions of the socket directory decide alone.

    :ivar allow_uids: users who may connect.
    :ivar allow_gids: groups whose members may connect; a process counts with its effective group only.
    :ivar own_pid: the process that may always connect: the service itself, for its health check.
    """

    allow_uids: Collection[int]
    allow_gids: Collection[int]
    own_pid: int

    def __bool__(self) -> bool:
        return bool(self.allow_uids or self.allow_gids)

    def connect(self, caller: Caller, transport: object) -> Forbidden | None:
        """Decide about a new connection: the error to refuse it with, or None to serve it."""
        return None if self.allow(caller.peer) else Forbidden("this user may not connect")

    def allow(self, peer: Peer) -> bool:
        """True if the process may connect."""
        if not self:
            return True
        return peer.uid in self.allow_uids or peer.gid in self.allow_gids or peer.pid == self.own_pid
