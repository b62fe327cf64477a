"""Who may use the control API: an authority of its own, which no token gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct
from zope.interface import implementer

from unixsvc.config.control import ControlAccess
from unixsvc.domain.interfaces import IGuard
from unixsvc.domain.message import Caller, Peer, Request
from unixsvc.errors import Forbidden
from unixsvc.security.ancestry import is_descendant
from unixsvc.security.identity import find_group, find_user

__all__ = ["ControlGuard", "ControlRules", "find_rules"]

_OWNER_ONLY: Final = 0o600
_EVERYBODY: Final = 0o666
_NO_ACCESS: Final = "this user may not use the control API; see [control] of the configuration"
_WORKER: Final = "workers, and processes that they have started, may not use the control API"
_READ_ONLY: Final = "this caller may only read the status and the contract"


class ControlRules(Struct, frozen=True):
    """The table ``[control]``, by numbers.

    :ivar uids: users who may use every route, as may members of ``gids``.
    :ivar read_uids: users who may read, as may members of ``read_gids``.
    """

    uids: frozenset[int] = frozenset()
    gids: frozenset[int] = frozenset()
    read_uids: frozenset[int] = frozenset()
    read_gids: frozenset[int] = frozenset()

    @property
    def socket_mode(self) -> int:
        """The mode of the socket: it admits others only if some are listed, and the rules decide then."""
        return _EVERYBODY if self.uids or self.gids or self.read_uids or self.read_gids else _OWNER_ONLY


def find_rules(access: ControlAccess, source: str) -> ControlRules:
    """Find the numbers of users and groups.

    :param source: the file, for messages.
    :raises ConfigError: if one of them does not exist.
    """
    where = f"{source}: control"
    return ControlRules(
        frozenset(find_user(str(user), f"{where}.allow_uids").uid for user in access.allow_uids),
        frozenset(find_group(str(group), f"{where}.allow_gids") for group in access.allow_gids),
        frozenset(find_user(str(user), f"{where}.read_uids").uid for user in access.read_uids),
        frozenset(find_group(str(group), f"{where}.read_gids") for group in access.read_gids),
    )


@implementer(IGuard)
class ControlGuard:
    """Authorizes the clients of the control API by their user, as the kernel reports it.

    The orchestrator's own user and root may do everything, and others what the rules say. A process that the
    orchestrator has started, directly or through a worker, may never do more than read.

    :param groups_of: the groups of the process at the other end of a transport.
    :param descends: whether a process was started by another; the arguments are their pids.
    :param uid: the user of the orchestrator; called for each connection, as a daemon changes it after the
        start.
    :param pid: the process of the orchestrator, in the same way.
    :ivar rules: for connections that are made from now on.
    """

    def __init__(
        self,
        rules: ControlRules,
        groups_of: Callable[[object], Collection[int]],
        *,
        descends: Callable[[int, int], bool] = is_descendant,
        uid: Callable[[], int] = os.geteuid,
        pid: Callable[[], int] = os.getpid,
    ) -> None:
        self.rules = rules
        self._groups_of = groups_of
        self._descends = descends
        self._uid = uid
        self._pid = pid

    def connect(self, caller: Caller, transport: object) -> Forbidden | None:
        """Decide about a new connection.

        :param caller: gets its permissions.
        :returns: the error to refuse it with; None to serve it.
        """
        rules, peer = self.rules, caller.peer
        groups = {peer.gid, *self._groups_of(transport)} - {None}
        may_control = peer.uid in (self._uid(), 0) or peer.uid in rules.uids or bool(groups & rules.gids)
        may_read = peer.uid in rules.read_uids or bool(groups & rules.read_gids)
        if not (may_control or may_read):
            return Forbidden(_NO_ACCESS)
        if may_control and self._is_worker(peer):
            if not may_read:
                return Forbidden(_WORKER)
            may_control = False
        caller.trusted, caller.admitted = True, may_control
        return None

    def admit(self, request: Request) -> None:
        """Check a request of a caller that may only read; the others are ``admitted``.

        :raises Forbidden: if it could change something.
        """
        if not request.caller.trusted:
            raise Forbidden(_NO_ACCESS)
        if request.method != "GET":
            raise Forbidden(_READ_ONLY)

    def _is_worker(self, peer: Peer) -> bool:
        """Whether the orchestrator has started the process, directly or not."""
        own = self._pid()
        # A process of another pid namespace has no pid here, and is no descendant.
        if not peer.pid or peer.pid == own:
            return False
        # Without root, workers have our user; processes of other users may be hidden from us.
        return self._uid() in (0, peer.uid) and self._descends(peer.pid, own)
