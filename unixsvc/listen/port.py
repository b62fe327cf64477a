"""A port that chooses between two ways to accept clients."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from unixsvc.listen.acceptor import Acceptor, BuildTransport
from unixsvc.listen.connection_counts import WorkerSlot
from unixsvc.listen.fd_limits import descriptor_threshold, has_spare_descriptors
from unixsvc.listen.loop_acceptor import LoopAcceptor

__all__ = ["AdaptivePort"]

# The event loop accepts one client in a turn, and a turn takes the longer the more clients are served. So
# with more connections than the first, an Acceptor accepts several clients in each turn; the loop accepts
# again with no more than the second.
_MANY: Final = 64
_FEW: Final = 32
# Interval between checks whether the loop can accept, in seconds.
_CHECK_INTERVAL: Final = 1.0


@implementer(IListeningPort)
class AdaptivePort:
    """The loop accepts while no other worker does and few clients are connected; otherwise an Acceptor does.

    Each client that the loop accepts is the occasion to check whether that is still so.

    :param acceptor: not started; its socket must pass
        :func:`unixsvc.listen.loop_acceptor.can_use_loop_acceptor`.
    :param build: called with a function for when the connection is lost, and one for when it is made, which
        takes the number of its file descriptor.
    :param slot: counts the connections, as that of the acceptor.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, acceptor: Acceptor, build: BuildTransport, slot: WorkerSlot
    ) -> None:
        self._loop = loop
        self._slot = slot
        self._acceptor = acceptor
        self._loop_acceptor = LoopAcceptor(loop, partial(build, acceptor.connection_lost, self._accepted))
        self._threshold = 0
        self._check: asyncio.TimerHandle | None = None

    def startListening(self) -> None:
        """Begin to accept."""
        self._acceptor.startListening()
        self._try_loop()

    def stopListening(self) -> None:
        """Stop to accept. A path stays: it belongs to the orchestrator."""
        if self._check is not None:
            self._check.cancel()
        if self._loop_acceptor.serves:
            alone = self._slot.is_only_acceptor()
            if not self._use_acceptor():
                self._loop_acceptor.close()
                self._slot.stop_accepting()
                return
            if alone:
                self._acceptor.accept_waiting()
        self._acceptor.stopListening()

    def getHost(self) -> IAddress:
        """The address of the listening socket."""
        return self._acceptor.getHost()

    def _try_loop(self) -> None:
        """Let the loop accept if it can."""
        self._check = None
        slot = self._slot
        if slot.is_only_acceptor() and slot.connections <= _FEW and has_spare_descriptors():
            self._threshold = descriptor_threshold()
            listening = self._loop_acceptor.start(self._acceptor.pause())
            if listening is None:
                return
            self._acceptor.resume(listening)
        if self._loop_acceptor.usable:
            self._schedule_check()

    def _schedule_check(self) -> None:
        self._check = self._loop.call_later(_CHECK_INTERVAL, self._try_loop)

    def _accepted(self, descriptor: int) -> None:
        """The loop has accepted a client."""
        slot = self._slot
        slot.opened()
        if descriptor >= self._threshold or slot.connections > _MANY or not slot.is_only_acceptor():
            self._loop.call_soon(self._leave_loop)

    def _leave_loop(self) -> None:
        if self._loop_acceptor.serves and self._use_acceptor():
            self._schedule_check()

    def _use_acceptor(self) -> bool:
        listening = self._loop_acceptor.stop()
        if listening is None:
            return False
        self._acceptor.resume(listening)
        return True
