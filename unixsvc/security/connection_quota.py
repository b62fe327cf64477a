"""How many connections each user may have; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from unixsvc.config.settings import Limits
from unixsvc.domain.message import Peer

__all__ = ["ConnectionQuota"]

# Connections that are kept for root and the orchestrator's own user, and their share where that is less.
_RESERVE: Final = 16
_RESERVED_SHARE: Final = 8
_ROOT: Final = 0


class ConnectionQuota:
    """Limits the connections of one worker, in total and for each user, as the kernel reports it.

    Root and the orchestrator's own user have no quota, and a reserve that no other user can use: so they can
    always connect, and find out what happens. A peer without a user, as over TCP, has no quota either.

    Users are counted only while there are enough connections for one of them to exceed a limit, and then
    until there are half as many.

    :param owner: the uid of the orchestrator.
    :ivar counts_users: true if opened and closed connections are to be reported.
    :ivar unlimited: with fewer connections than this, every peer may connect; 0 while users are counted.
    """

    __slots__ = (
        "_by_user",
        "_max",
        "_per_user",
        "_privileged",
        "_threshold",
        "_unreserved",
        "counts_users",
        "unlimited",
    )

    def __init__(self, limits: Limits, owner: int) -> None:
        self._max = limits.max_connections
        self._per_user = limits.connections_per_user
        self._unreserved = self._max - min(_RESERVE, self._max // _RESERVED_SHARE)
        self._privileged = (_ROOT, owner)
        self._by_user: Counter[int | None] = Counter()
        self.counts_users = False
        self.unlimited = self._threshold = min(self._per_user, self._unreserved)

    def allows(self, peer: Peer, connected: Iterable[Peer], count: int) -> bool:
        """True if one more connection may be served. It is to be asked when :attr:`unlimited` is reached.

        :param connected: the peers of all connections that are served.
        :param count: their number.
        """
        if not self.counts_users:
            self.counts_users, self._by_user = True, Counter(each.uid for each in connected)
            self.unlimited = 0
        if peer.uid in self._privileged:
            allowed = count < self._max
        else:
            exceeds = peer.uid is not None and self._by_user[peer.uid] >= self._per_user
            allowed = count < self._unreserved and not exceeds
        if allowed:
            self._by_user[peer.uid] += 1
        return allowed

    def closed(self, peer: Peer, count: int) -> None:
        """Note that a connection that was served is closed, while :attr:`counts_users` is set.

        :param count: the number of those that are left.
        """
        self._by_user[peer.uid] -= 1
        if count < self._threshold // 2:
            self.counts_users, self.unlimited = False, self._threshold
