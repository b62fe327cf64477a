"""The hooks of an orchestrator; their modules are imported when the first one is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed

from unixsvc.config.settings import Settings
from unixsvc.orchestrator.events.log import EventLog
from unixsvc.orchestrator.reactor import IPoolReactor

if TYPE_CHECKING:
    from unixsvc.orchestrator.events.hooks import Hooks

__all__ = ["ConfiguredHooks"]


class ConfiguredHooks:
    """Delivers events to the configured hooks.

    :param events: the events.
    """

    def __init__(self, reactor: IPoolReactor, events: EventLog) -> None:
        self._reactor = reactor
        self._events = events
        self._hooks: Hooks | None = None

    def use(self, settings: Settings) -> None:
        """Use the hooks of a configuration from now on."""
        if self._hooks is None and settings.hooks:
            # Late: few orchestrators have hooks.
            from unixsvc.orchestrator.events.delivery import Delivery
            from unixsvc.orchestrator.events.hooks import Hooks

            self._hooks = Hooks(self._reactor, Delivery(self._reactor, settings.folder))
            self._events.observers.append(self._hooks.add)
        if self._hooks is not None:
            self._hooks.use(settings.hooks)

    def finish(self, seconds: float) -> Deferred[None]:
        """Fires when all events are delivered; what takes longer is stopped.

        :param seconds: maximum time to wait.
        """
        return succeed(None) if self._hooks is None else self._hooks.finish(seconds)
