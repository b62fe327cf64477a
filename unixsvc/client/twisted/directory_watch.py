"""Notices at once when something in a directory of sockets has changed, in a Twisted program."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.client.inotify import watch

__all__ = ["change_in"]

_log = Logger()


@implementer(IReadDescriptor)
class _Watching:
    """What a reactor waits for.

    :param done: fires when there is something to be read.
    """

    def __init__(self, descriptor: int, done: Deferred[None]) -> None:
        self._descriptor = descriptor
        self._done = done

    def fileno(self) -> int:
        """Where it is to be read."""
        return self._descriptor

    def logPrefix(self) -> str:
        """What stands in logs before what is said of it."""
        return "noticing"

    def doRead(self) -> None:
        """It is enough to know that there is something."""
        if not self._done.called:
            self._done.callback(None)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""


def change_in(directory: str, seconds: float, reactor: Any) -> Deferred[None]:
    """Fires when something appears in a directory, goes, or is moved; after so many seconds in any case.

    The kernel tells; where it does not, the time does.
    """
    done: Deferred[None] = Deferred()
    done.addTimeout(seconds, reactor, lambda result, _: None)
    try:
        descriptor = watch(directory)
    except OSError as error:
        _log.debug("{directory} cannot be watched: {error}", directory=directory, error=error)
        return done
    watching = _Watching(descriptor, done)
    reactor.addReader(watching)

    def stop(result: None) -> None:
        reactor.removeReader(watching)
        os.close(descriptor)

    return done.addBoth(stop)
