"""Where clients are accepted in one way or the other."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Final

from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from unixsvc.listen.acceptor import Acceptor, Build
from unixsvc.listen.connection_counts import WorkerSlot
from unixsvc.listen.fd_limits import descriptor_threshold, has_spare_descriptors
from unixsvc.listen.loop_acceptor import LoopAcceptor

__all__ = ["AdaptivePort"]

# The loop accepts one client in a turn, which takes the longer the more of them are served; so with more
# than so many, several are accepted by hand in each, and by the loop with no more than so many.
_MANY: Final = 64
_FEW: Final = 32
# How often is looked whether the loop could accept, in seconds.
_LOOK: Final = 1.0


@implementer(IListeningPort)
class AdaptivePort:
    """Has the loop accept while nobody else does, and few are here, and accepts by hand otherwise.

    The signs that something has changed come with each client that the loop accepts.

    :param listening: which :func:`unixsvc.listen.loop_acceptor.may_be_served`.
    :param build: as an Acceptor wants it; for a connection that the loop accepts, it is given also what to
        call when that is there, with the number of its descriptor.
    :param place: where the connections are counted.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        build: Build,
        place: WorkerSlot,
    ) -> None:
        self._loop = loop
        self._place = place
        self._by_hand = Acceptor(loop, listening, build, place)
        self._by_loop = LoopAcceptor(loop, partial(build, self._by_hand.gone, self._arrived))
        self._last = 0
        self._looking: asyncio.TimerHandle | None = None

    def startListening(self) -> None:
        """Begin to accept."""
        self._by_hand.startListening()
        self._look()

    def stopListening(self) -> None:
        """Accept nothing more. A path stays: it belongs to the orchestrator."""
        if self._looking is not None:
            self._looking.cancel()
        if self._by_loop.serves:
            alone = self._place.is_alone()
            if not self._turn_by_hand():
                self._by_loop.close()
                self._place.leave()
                return
            if alone:
                self._by_hand.take_waiting()
        self._by_hand.stopListening()

    def getHost(self) -> IAddress:
        """Where it listens."""
        return self._by_hand.getHost()

    def _look(self) -> None:
        """See whether the loop could accept."""
        self._looking = None
        place = self._place
        if place.is_alone() and place.mine <= _FEW and has_spare_descriptors():
            self._last = descriptor_threshold()
            listening = self._by_loop.start(self._by_hand.pause())
            if listening is None:
                return
            self._by_hand.resume(listening)
        if self._by_loop.usable:
            self._look_later()

    def _look_later(self) -> None:
        self._looking = self._loop.call_later(_LOOK, self._look)

    def _arrived(self, descriptor: int) -> None:
        """The loop has accepted a client."""
        place = self._place
        place.came()
        if descriptor >= self._last or place.mine > _MANY or not place.is_alone():
            self._loop.call_soon(self._change)

    def _change(self) -> None:
        if self._by_loop.serves and self._turn_by_hand():
            self._look_later()

    def _turn_by_hand(self) -> bool:
        listening = self._by_loop.stop()
        if listening is None:
            return False
        self._by_hand.resume(listening)
        return True
