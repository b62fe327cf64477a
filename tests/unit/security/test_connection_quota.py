"""How many connections each user may have."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.settings import Limits
from unixsvc.domain.message import Peer
from unixsvc.security.connection_quota import ConnectionQuota

_OWNER, _ROOT = 500, 0


class QuotaTests(SynchronousTestCase):
    """A worker with 128 connections, of which 16 are kept for root and the orchestrator's user."""

    limits = Limits(max_connections=128)

    def setUp(self) -> None:
        """No connection."""
        self.quota = ConnectionQuota(self.limits, _OWNER)
        self.connected: list[Peer] = []

    def connect(self, uid: int | None, times: int = 1) -> int:
        """Connect; how many of these connections are served."""
        served = 0
        for _ in range(times):
            peer, count = Peer(uid), len(self.connected)
            if count < self.quota.unlimited or self.quota.allows(peer, self.connected, count):
                self.connected.append(peer)
                served += 1
        return served

    def disconnect(self, uid: int, times: int = 1) -> None:
        """Close connections of a user."""
        for _ in range(times):
            self.connected.remove(Peer(uid))
            if self.quota.counts_users:
                self.quota.closed(Peer(uid), len(self.connected))

    def test_half(self) -> None:
        """One user has at most half of the connections by default; others still connect."""
        self.assertEqual(self.connect(1, 200), 64)
        self.assertEqual((self.connect(2, 10), self.connect(1), self.connect(3)), (10, 0, 1))

    def test_configured(self) -> None:
        """The quota can be set, also to the whole."""
        self.quota = ConnectionQuota(Limits(max_connections=128, max_connections_per_user=5), _OWNER)
        self.assertEqual(self.connect(1, 200), 5)
        self.quota = ConnectionQuota(Limits(max_connections=128, max_connections_per_user=128), _OWNER)
        self.connected.clear()
        self.assertEqual(self.connect(1, 200), 112)

    def test_reserve(self) -> None:
        """Several users together leave 16 connections to root and the orchestrator's user."""
        self.assertEqual(self.connect(1, 64) + self.connect(2, 64), 112)
        self.assertEqual((self.connect(_OWNER, 10), self.connect(_ROOT, 10), self.connect(3)), (10, 6, 0))

    def test_privileged(self) -> None:
        """Root and the orchestrator's user have no quota of their own."""
        for uid in (_ROOT, _OWNER):
            self.setUp()
            self.assertEqual(self.connect(uid, 200), 128)

    def test_few(self) -> None:
        """With few connections the reserve is an eighth of them."""
        for most, unreserved in ((1, 1), (7, 7), (8, 7), (50, 44)):
            limits = Limits(max_connections=most, max_connections_per_user=most)
            self.quota, self.connected = ConnectionQuota(limits, _OWNER), []
            self.assertEqual(self.connect(1, 100), unreserved)
            self.assertEqual(self.connect(_ROOT, 100), most - unreserved)

    def test_closed(self) -> None:
        """A closed connection makes room for another one of the same user."""
        self.connect(1, 64)
        self.connect(2, 10)
        self.disconnect(1, 3)
        self.assertEqual((self.connect(1, 200), self.connect(2)), (3, 1))

    def test_reconnected(self) -> None:
        """A user who closes some connections and opens them again, over and over, gets no more than half."""
        self.connect(1, 65)
        for _ in range(20):
            self.disconnect(1, 10)
            self.connect(1, 11)
        self.assertEqual(self.connected.count(Peer(1)), 64)

    def test_counted_again(self) -> None:
        """Users are counted again after there were few connections for a while."""
        self.connect(1, 64)
        self.connect(2)
        self.disconnect(1, 40)
        self.assertFalse(self.quota.counts_users)
        self.assertEqual((self.connect(1, 200), self.connect(2, 200)), (40, 47))

    def test_no_user(self) -> None:
        """Peers without a user, as over TCP, have no quota."""
        self.assertEqual(self.connect(None, 200), 112)
