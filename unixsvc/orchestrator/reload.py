"""Reloads: what they may change, and that many of them in a row become one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.internet.defer import Deferred

from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.shared_result import SharedResult

__all__ = ["ReloadQueue", "check_reloadable"]

# What is done once, at the start, with a socket directory, its lock, and the log.
_FIXED: Final = ("socket_dir", "socket_mode", "token_file", "folder")


def check_reloadable(running: Settings, new: Settings) -> None:
    """See that a configuration changes only what can be changed while services run.

    :raises ConfigError: naming what it changes beyond that.
    """
    for name in _FIXED:
        if getattr(running, name) != getattr(new, name):
            raise ConfigError(f"{new.source}: {name}", "cannot change while it runs", "stop it and start it")
    before, after = running.http, new.http
    if before is not None and after is not None and before.listen != after.listen:
        raise ConfigError(f"{new.source}: http.listen", "cannot change while it runs", "stop it and start it")


class ReloadQueue:
    """Carries out reloads one after the other.

    Who asks while one is under way shares the next one, as the files may have changed since this one has read
    them.

    :param carry_out: does it, for one service, or for all if the name is empty.
    """

    def __init__(self, carry_out: Callable[[str], Awaitable[None]]) -> None:
        self._carry_out = carry_out
        self._asked: dict[str, SharedResult] = {}
        self._busy = False

    def ask(self, name: str) -> Deferred[None]:
        """Ask for a reload.

        :returns: fires when it is done, or fails as it has; to cancel it is only not to wait any more.
        """
        outcome = self._asked.get("") or self._asked.setdefault(name, SharedResult())
        waiting = outcome.wait()
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._run())
        return waiting

    async def _run(self) -> None:
        try:
            while self._asked:
                name = next(iter(self._asked))
                outcome = self._asked.pop(name)
                try:
                    await self._carry_out(name)
                except Exception as error:  # who has asked is told, whatever it is
                    outcome.settle(error)
                else:
                    outcome.settle()
        finally:
            self._busy = False
