"""The requests of one connection that wait for their replies, and the order of the bare ones."""

from __future__ import annotations

from collections import deque

from unixsvc.domain.message import Reply
from unixsvc.running.driver import Running
from unixsvc.socket.envelope import Id

__all__ = ["Pending", "Unanswered"]


class Pending:
    """One request.

    :ivar running: its action, once that waits.
    :ivar reply: of a bare request that is done, but must wait for those before it.
    """

    __slots__ = ("id", "oneway", "reply", "running")

    def __init__(self, id: Id, *, oneway: bool = False) -> None:
        self.id = id
        self.oneway = oneway
        self.running: Running | None = None
        self.reply: Reply | None = None


class Unanswered:
    """All of them. A request that is answered at once, and need not wait for others, never comes here."""

    def __init__(self) -> None:
        self._all: dict[int | str | Pending, Pending] = {}
        self._bare: deque[Pending] = deque()

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, id: Id) -> bool:
        return id is not None and id in self._all

    @property
    def any_bare(self) -> bool:
        """Whether a bare reply would have to wait for earlier ones."""
        return bool(self._bare)

    def add(self, pending: Pending) -> None:
        """Wait for a request's reply."""
        self._all[pending if pending.id is None else pending.id] = pending
        if pending.id is None and not pending.oneway:
            self._bare.append(pending)

    def add_done(self, reply: Reply) -> None:
        """Keep a bare reply until those before it are there."""
        pending = Pending(None)
        pending.reply = reply
        self.add(pending)

    def running(self, id: Id) -> Running | None:
        """The action of a request that waits, if there is one with this id."""
        pending = None if id is None else self._all.get(id)
        return None if pending is None else pending.running

    def all_running(self) -> list[Running]:
        """The actions that wait."""
        return [each.running for each in self._all.values() if each.running is not None]

    def settle(self, pending: Pending, reply: Reply) -> list[tuple[Id, Reply]]:
        """Note a reply, and give those that can be sent by now, in their order."""
        pending.reply = reply
        ready: list[tuple[Id, Reply]] = []
        if pending.id is not None or pending.oneway:
            self._all.pop(pending if pending.id is None else pending.id)
            ready += [] if pending.oneway else [(pending.id, reply)]
        while self._bare and (first := self._bare[0].reply) is not None:
            self._all.pop(self._bare.popleft())
            ready.append((None, first))
        return ready
