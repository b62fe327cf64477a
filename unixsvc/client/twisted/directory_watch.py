"""Waiting for a change in a directory, in a Twisted program."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.client.discovery.inotify import watch

__all__ = ["wait_for_change"]

_log = Logger()


@implementer(IReadDescriptor)
class _Watch:
    """An inotify descriptor in the reactor.

    :param changed: fires when it becomes readable.
    """

    def __init__(self, descriptor: int, changed: Deferred[None]) -> None:
        self._descriptor = descriptor
        self._changed = changed

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def logPrefix(self) -> str:
        """The prefix of log messages about it."""
        return "directory watch"

    def doRead(self) -> None:
        """The directory has changed."""
        if not self._changed.called:
            self._changed.callback(None)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops."""


def wait_for_change(directory: str, seconds: float, reactor: Any) -> Deferred[None]:
    """Wait until an entry of a directory is created, removed, or renamed.

    :param seconds: the longest time to wait. Without inotify, it always waits this long.
    """
    changed: Deferred[None] = Deferred()
    changed.addTimeout(seconds, reactor, lambda result, _: None)
    try:
        descriptor = watch(directory)
    except OSError as error:
        _log.debug("{directory} cannot be watched: {error}", directory=directory, error=error)
        return changed
    reader = _Watch(descriptor, changed)
    reactor.addReader(reader)

    def stop(result: None) -> None:
        reactor.removeReader(reader)
        os.close(descriptor)

    return changed.addBoth(stop)
