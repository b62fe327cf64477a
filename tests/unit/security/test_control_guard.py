"""Who may use the control API."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Collection
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unixsvc.config.control import ControlAccess
from unixsvc.domain.interfaces import IGuard
from unixsvc.domain.message import Caller, Peer, Request
from unixsvc.errors import ConfigError, Forbidden
from unixsvc.security.control_guard import ControlGuard, ControlRules, find_rules

OWN_UID, OWN_PID, WORKER_PID, OTHER_PID = 1000, 77, 78, 90


class GuardTestCase(SynchronousTestCase):
    """A test with an orchestrator of a user that is not root."""

    uid = OWN_UID

    def connect(self, peer: Peer, groups: Collection[int] = (), **rules: Any) -> Caller | str:
        """Connect a process: the caller, or the reason of a refusal."""
        found = ControlRules(**{name: frozenset(value) for name, value in rules.items()})
        self.guard = ControlGuard(
            found,
            lambda transport: groups,
            # It is also True for unknown processes (0); the guard decides about our own without it.
            descends=lambda pid, ancestor: pid in (0, OWN_PID, WORKER_PID) and ancestor == OWN_PID,
            uid=lambda: self.uid,
            pid=lambda: OWN_PID,
        )
        caller = Caller(peer)
        refusal = self.guard.connect(caller, object())
        return caller if refusal is None else str(refusal.detail)

    def permission(self, peer: Peer, groups: Collection[int] = (), **rules: Any) -> str:
        """What a process may do: everything, read, or nothing."""
        caller = self.connect(peer, groups, **rules)
        if isinstance(caller, str):
            return "nothing"
        self.assertTrue(caller.trusted)
        return "everything" if caller.admitted else "read"


class PermissionTests(GuardTestCase):
    """What the user of a process decides."""

    def test_interface(self) -> None:
        """It is a guard."""
        verifyObject(IGuard, ControlGuard(ControlRules(), lambda transport: ()))

    def test_default(self) -> None:
        """Only the orchestrator's own user and root may connect."""
        self.assertEqual(self.permission(Peer(OWN_UID, 5, OTHER_PID)), "everything")
        self.assertEqual(self.permission(Peer(0, 0, OTHER_PID)), "everything")
        for peer in Peer(1001, OWN_UID, OTHER_PID), Peer(65534, 0, OTHER_PID), Peer():
            self.assertIn("this user may not use the control API", str(self.connect(peer, groups=(0,))))

    def test_listed(self) -> None:
        """Listed users may do everything, and so may members of listed groups, also of supplementary ones."""
        self.assertEqual(self.permission(Peer(5, 6, OTHER_PID), uids=[5]), "everything")
        self.assertEqual(self.permission(Peer(5, 6, OTHER_PID), gids=[6]), "everything")
        self.assertEqual(self.permission(Peer(5, 6, OTHER_PID), groups=(8, 7), gids=[7]), "everything")
        self.assertEqual(self.permission(Peer(6, 5, OTHER_PID), groups=(5,), uids=[5], gids=[6]), "nothing")

    def test_read(self) -> None:
        """Others may be allowed to read."""
        self.assertEqual(self.permission(Peer(5, 6, OTHER_PID), read_uids=[5]), "read")
        self.assertEqual(self.permission(Peer(5, 6, OTHER_PID), groups=(7,), read_gids=[7]), "read")
        self.assertEqual(self.permission(Peer(5, 6, OTHER_PID), uids=[5], read_uids=[5]), "everything")
        self.assertEqual(self.permission(Peer(OWN_UID, 6, OTHER_PID), read_uids=[OWN_UID]), "everything")

    def test_own_process(self) -> None:
        """The orchestrator's own process may do everything: its health check, and inline services."""
        self.assertEqual(self.permission(Peer(OWN_UID, 5, OWN_PID)), "everything")

    def test_other_namespace(self) -> None:
        """A process in another pid namespace, which has the pid 0 here, is no descendant."""
        self.assertEqual(self.permission(Peer(OWN_UID, 5, 0)), "everything")


class WorkerTests(GuardTestCase):
    """Workers, and the processes that they start."""

    def test_own_user(self) -> None:
        """A worker with the orchestrator's user may not control it."""
        refused = self.connect(Peer(OWN_UID, 5, WORKER_PID))
        self.assertIn("workers, and processes that they have started, may not", str(refused))

    def test_listed(self) -> None:
        """Being listed does not allow a worker to control, but to read."""
        self.uid = 0
        worker = Peer(5, 6, WORKER_PID)
        self.assertEqual(self.permission(worker, uids=[5], gids=[6]), "nothing")
        self.assertEqual(self.permission(worker, uids=[5], read_uids=[5]), "read")
        self.assertEqual(self.permission(worker, read_gids=[6]), "read")

    def test_root(self) -> None:
        """A worker that runs as root may not control an orchestrator of root."""
        self.uid = 0
        self.assertEqual(self.permission(Peer(0, 0, WORKER_PID)), "nothing")

    def test_hidden_processes(self) -> None:
        """The ancestry of another user's process is not asked for without root: it may be hidden."""
        self.assertEqual(self.permission(Peer(0, 0, WORKER_PID)), "everything")


class RequestTests(GuardTestCase):
    """Requests of a caller that may only read."""

    def test_read(self) -> None:
        """It may send GET requests only."""
        caller = self.connect(Peer(5, 6, OTHER_PID), read_uids=[5])
        assert isinstance(caller, Caller)
        self.guard.admit(Request("GET", "/status", caller=caller))
        for method in "POST", "PUT", "DELETE", "PATCH", "get", "":
            request = Request(method, "/stop", caller=caller)
            refused = self.assertRaises(Forbidden, self.guard.admit, request)
            self.assertIn("may only read", str(refused))

    def test_unknown(self) -> None:
        """A caller that was not connected by this guard may do nothing."""
        self.connect(Peer(OWN_UID, 5, OTHER_PID))
        self.assertRaises(Forbidden, self.guard.admit, Request("GET", "/status"))


class RulesTests(SynchronousTestCase):
    """The table of the configuration."""

    def test_names(self) -> None:
        """Users and groups are names or numbers; a number needs no entry."""
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())
        access = ControlAccess(
            (user.pw_name, 4_000_000), (group.gr_name,), ("4000001",), (4_000_002, group.gr_gid)
        )
        expected = ControlRules(
            frozenset({user.pw_uid, 4_000_000}),
            frozenset({group.gr_gid}),
            frozenset({4_000_001}),
            frozenset({4_000_002, group.gr_gid}),
        )
        self.assertEqual(find_rules(access, "x.toml"), expected)

    def test_unknown(self) -> None:
        """The error for an unknown user or group names the key."""
        for name in "allow_uids", "allow_gids", "read_uids", "read_gids":
            access = ControlAccess(**{name: ("no-such-one",)})
            error = self.assertRaises(ConfigError, find_rules, access, "x.toml")
            self.assertIn(f"x.toml: control.{name}: there is no", str(error))

    def test_socket_mode(self) -> None:
        """The socket is its owner's alone, unless others are listed."""
        self.assertEqual(ControlRules().socket_mode, 0o600)
        one = frozenset({5})
        for rules in ControlRules(one), ControlRules(gids=one), ControlRules(read_gids=one):
            self.assertEqual(rules.socket_mode, 0o666)
