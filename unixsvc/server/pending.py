"""The requests of one connection that wait for their replies, and the order of the bare ones."""

from __future__ import annotations

from typing import Final

from unixsvc.domain.message import Reply
from unixsvc.errors import Cancelled, Malformed, ServiceError, Unavailable
from unixsvc.execution.action_driver import RunningAction
from unixsvc.execution.streaming import RunningStream
from unixsvc.wire.messages import ClientMessage, Id

__all__ = ["MAX_STREAMS", "MAX_UNANSWERED", "PendingRequest", "PendingRequests"]

MAX_UNANSWERED: Final = 128
MAX_STREAMS: Final = 128
_NO_ID: Final = [{"field": "id", "message": "is needed for a stream"}]


class PendingRequest:
    """One request.

    :param credit: if it is a stream, how many items may be sent; None if there is no limit.
    :ivar running: its action, once that waits, or is a stream.
    :ivar reply: of a bare request that is done, but must wait for those before it.
    """

    __slots__ = ("credit", "id", "oneway", "reply", "running")

    def __init__(self, id: Id, *, oneway: bool = False, credit: int | None = None) -> None:
        self.id = id
        self.oneway = oneway
        self.credit = credit
        self.running: RunningAction | RunningStream | None = None
        self.reply: Reply | None = None


class PendingRequests:
    """All of them. A request that is answered at once, and need not wait for others, never comes here.

    :ivar requests: by id; those that have none, by themselves.
    :ivar crowded: whether nothing more is to be read before some are answered. Streams do not count: those
        that wait for credit would otherwise keep it from being read.
    """

    __slots__ = ("_bare", "_streams", "crowded", "requests")

    def __init__(self) -> None:
        self.crowded = False
        # What is empty for nearly every connection is of kinds that are small then.
        self._streams: dict[PendingRequest, None] = {}
        self.requests: dict[int | str | PendingRequest, PendingRequest] = {}
        self._bare: list[PendingRequest] = []

    def __len__(self) -> int:
        return len(self.requests)

    @property
    def any_bare(self) -> bool:
        """Whether a bare reply would have to wait for earlier ones."""
        return bool(self._bare)

    def wait(self, wire: ClientMessage) -> PendingRequest:
        """Wait for the reply to this request."""
        pending = PendingRequest(wire.id, oneway=wire.oneway, credit=wire.credit)
        self.add(pending)
        return pending

    def add(self, pending: PendingRequest) -> None:
        """Wait for a request's reply."""
        self.requests[pending if pending.id is None else pending.id] = pending
        if pending.id is None and not pending.oneway:
            self._bare.append(pending)
        self._count()

    def make_stream(self, pending: PendingRequest) -> ServiceError | None:
        """Note that what is asked for is a stream.

        :returns: why it cannot be one, if it can't.
        """
        if pending.id is None or pending.oneway:
            return Malformed(_NO_ID)
        if len(self._streams) >= MAX_STREAMS:
            return Unavailable()
        self._streams[pending] = None
        self._count()
        return None

    def add_done(self, reply: Reply) -> None:
        """Keep a bare reply until those before it are there."""
        pending = PendingRequest(None)
        pending.reply = reply
        self.add(pending)

    def steer(self, wire: ClientMessage) -> None:
        """Cancel a request, or let more of a stream come.

        One that is answered by now is no error: its reply has crossed what is wanted of it.
        """
        pending = None if wire.id is None else self.requests.get(wire.id)
        running = None if pending is None else pending.running
        if running is not None and wire.cancel:
            running.cancel(Cancelled())
        elif isinstance(running, RunningStream):
            running.grant(wire.credit or 0)

    @property
    def held(self) -> bool:
        """Whether all of them are streams that their reader holds up."""
        return all(isinstance(each, RunningStream) and each.held for each in self.all_running())

    def go_on(self) -> None:
        """Have the streams go on, as more can be sent."""
        for each in self._streams:
            if isinstance(each.running, RunningStream):
                each.running.go_on()

    def all_running(self) -> list[RunningAction | RunningStream]:
        """The actions that wait."""
        return [each.running for each in self.requests.values() if each.running is not None]

    def settle(self, pending: PendingRequest, reply: Reply) -> list[tuple[Id, Reply]]:
        """Note a reply, and give those that can be sent by now, in their order."""
        pending.reply = reply
        ready: list[tuple[Id, Reply]] = []
        if pending.id is not None or pending.oneway:
            self.requests.pop(pending if pending.id is None else pending.id)
            ready += [] if pending.oneway else [(pending.id, reply)]
        while self._bare and (first := self._bare[0].reply) is not None:
            self.requests.pop(self._bare.pop(0))
            ready.append((None, first))
        self._streams.pop(pending, None)
        self._count()
        return ready

    def _count(self) -> None:
        self.crowded = len(self.requests) - len(self._streams) >= MAX_UNANSWERED
