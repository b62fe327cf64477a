"""Starts debug sessions."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace
from twisted.logger import Logger

from unixsvc.config.settings import Settings
from unixsvc.orchestrator.debugging.session import DebugSession
from unixsvc.orchestrator.debugging.settings import debug_settings
from unixsvc.orchestrator.debugging.terminal import LentTerminal, open_terminal
from unixsvc.orchestrator.service_manager import ServiceManager

__all__ = ["DebugSession", "LentTerminal", "start_session"]

_log: Final = Logger(namespace="orchestrator")


async def start_session(
    manager: ServiceManager, settings: Settings, name: str, terminal: LentTerminal
) -> DebugSession:
    """Replace the workers of a service by one with a terminal, until the session is closed.

    :param settings: the configuration of the orchestrator; its services are those of the manager.
    :raises NotFound: if there is no such service.
    :raises Conflict: if it does not run, or if the terminal cannot be used.
    :raises ConfigError: if it has no workers.
    """
    async with manager.running(name) as pool:
        session = DebugSession(open_terminal(terminal))
        try:
            settings = debug_settings(name, replace(settings, services=manager.settings), terminal.variables)
            _log.info("{name} is debugged in {path}", name=name, path=terminal.path)
            session.begin(pool, manager.factory.make_spec(name, settings, terminal=session.terminal))
        except Exception:
            session.close()
            raise
    return session
