"""Reloads: what they may change, and a queue that merges requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from twisted.internet.defer import Deferred

from unixsvc.config.settings import ServiceSettings, Settings, start_order
from unixsvc.errors import ConfigError
from unixsvc.execution.shared_result import SharedResult

__all__ = ["ReloadQueue", "check_reloadable", "check_start_order"]

# Settings of the socket directory, its lock and the import path, which are used once at the start.
_FIXED: Final = ("socket_dir", "socket_mode", "token_file", "folder")
_REMEDY: Final = "stop it and start it"


def check_reloadable(running: Settings, new: Settings) -> None:
    """Check that a configuration changes only settings that a reload can change.

    :raises ConfigError: naming the first other setting.
    """
    for name in _FIXED:
        if getattr(running, name) != getattr(new, name):
            raise ConfigError(f"{new.source}: {name}", "cannot change while it runs", _REMEDY)


def check_start_order(only: str, running: Mapping[str, ServiceSettings], new: Settings) -> None:
    """Check that the services that run after the reload of one have a start order.

    :param only: the service that is reloaded; empty for all, whose order is checked already.
    :param running: the services that run now.
    :raises ConfigError: if a dependency does not exist or the dependencies form a cycle.
    """
    if only:
        services = {**running, only: new.services.get(only)}
        remaining = {name: service for name, service in services.items() if service is not None}
        start_order(remaining, f"{new.source}, with the others as they run now")


class ReloadQueue:
    """Carries out reloads one after the other.

    Requests that arrive during a reload share the next one, as the files may have changed since the current
    one has read them.

    :param reload: reloads one service, or all of them if the name is empty.
    """

    def __init__(self, reload: Callable[[str], Awaitable[None]]) -> None:
        self._reload = reload
        self._queued: dict[str, SharedResult[None]] = {}
        self._busy = False

    def request(self, name: str) -> Deferred[None]:
        """Request a reload.

        :returns: fires when it is done, or fails with its error. Cancelling it does not cancel the reload.
        """
        result = self._queued.get("") or self._queued.setdefault(name, SharedResult())
        waiting = result.wait()
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._run())
        return waiting

    async def _run(self) -> None:
        try:
            while self._queued:
                name = next(iter(self._queued))
                result = self._queued.pop(name)
                try:
                    await self._reload(name)
                except Exception as error:  # the requester gets it, whatever it is
                    result.fail(error)
                else:
                    result.succeed(None)
        finally:
            self._busy = False
