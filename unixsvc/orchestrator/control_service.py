"""The control API of one orchestrator: its pool, its listening socket and its guard."""

from __future__ import annotations

from unixsvc.config.settings import Settings
from unixsvc.orchestrator.control import control_app, control_settings
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.pool_factory import PoolFactory
from unixsvc.security.control_guard import ControlGuard, ControlRules, find_rules
from unixsvc.transport.peer import groups_of

__all__ = ["ControlService"]


class ControlService:
    """Serves the control API in this process.

    :param settings: the configuration of the orchestrator.
    :raises ConfigError: if a user or group in ``[control]`` does not exist.
    :ivar pool: runs it.
    """

    def __init__(self, orchestrator: IOrchestrator, settings: Settings, factory: PoolFactory) -> None:
        rules = find_rules(settings.control, settings.source)
        self._guard = ControlGuard(rules, groups_of)
        own = control_settings(settings, rules)
        self.pool, self._listener = factory.make_control(own, control_app(orchestrator), self._guard)

    def set_rules(self, rules: ControlRules) -> None:
        """Change who may use it, from the next connection on."""
        self._guard.rules = rules
        self._listener.set_mode(rules.socket_mode)
