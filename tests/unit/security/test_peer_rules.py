"""Which processes may connect."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Peer
from unixsvc.security.peer_rules import PeerRules

OWN_PID = 77


class PeerRulesTests(SynchronousTestCase):
    """Rules by user, by group, and for the service itself."""

    def test_no_rules(self) -> None:
        """Without rules every process may connect, also one that the kernel does not know."""
        rules = PeerRules((), (), OWN_PID)
        self.assertTrue(rules.allow(Peer()))
        self.assertTrue(rules.allow(Peer(5, 6, 7)))

    def test_listed(self) -> None:
        """A process may connect if its user or its group is listed."""
        rules = PeerRules((5,), (7,), OWN_PID)
        self.assertTrue(rules.allow(Peer(5, 1, 1)))
        self.assertTrue(rules.allow(Peer(1, 7, 1)))

    def test_not_listed(self) -> None:
        """Any other process may not, nor one that the kernel does not know; a gid is no uid."""
        for rules in (
            PeerRules((5,), (), OWN_PID),
            PeerRules((), (7,), OWN_PID),
            PeerRules((5,), (7,), OWN_PID),
        ):
            for peer in (Peer(), Peer(1, 1, 1), Peer(7, 5, 1)):
                self.assertFalse(rules.allow(peer), (rules, peer))

    def test_own_process(self) -> None:
        """The service itself may always connect, for its health check."""
        self.assertTrue(PeerRules((5,), (7,), OWN_PID).allow(Peer(1, 1, OWN_PID)))
