"""Notices at once when something in a directory of sockets has changed."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.filepath import FilePath

__all__ = ["change_in"]

_log = Logger()


def change_in(directory: str, seconds: float, reactor: Any) -> Deferred[None]:
    """Fires when something appears in a directory, goes, or is moved; after so many seconds in any case.

    The kernel tells (inotify(7)); where it does not, as it has too many watches or is another, the time does.
    """
    done: Deferred[None] = Deferred()
    done.addTimeout(seconds, reactor, lambda result, _: None)
    try:
        from twisted.internet import inotify  # only there on Linux
        from twisted.python._inotify import INotifyError  # what it raises has no public name
    except ImportError:
        return done
    try:
        notifier = inotify.INotify(reactor)
    except INotifyError as error:
        _log.debug("{directory} cannot be watched: {error}", directory=directory, error=error)
        return done
    notifier.startReading()

    def changed(*_: object) -> None:
        if not done.called:
            done.callback(None)

    def stop(result: None) -> None:
        notifier.stopReading()
        notifier.connectionLost(None)

    mask = inotify.IN_CREATE | inotify.IN_DELETE | inotify.IN_MOVED_FROM | inotify.IN_MOVED_TO
    try:
        notifier.watch(FilePath(directory), mask=mask, callbacks=[changed])
    except INotifyError as error:  # perhaps the directory is not there, either
        _log.debug("{directory} cannot be watched: {error}", directory=directory, error=error)
    return done.addBoth(stop)
