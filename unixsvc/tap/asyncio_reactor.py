"""The reactor of a process that runs inline services: one on asyncio, as in workers."""

from __future__ import annotations

import sys

from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.transport.private_apis import asyncio_loop_of

__all__ = ["require_asyncio"]


def require_asyncio(settings: Settings) -> None:
    """Install a reactor on asyncio for inline services, whose actions may await objects of asyncio.

    The default reactor remains that of an orchestrator without inline services: it starts faster.

    :raises ConfigError: if another reactor is installed already.
    """
    inline = [name for name, service in settings.services.items() if service.isolation == "inline"]
    if not inline:
        return
    installed = sys.modules.get("twisted.internet.reactor")
    if installed is None:
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
    elif asyncio_loop_of(installed) is None:
        raise ConfigError(
            f"services.{inline[0]}.isolation",
            "is inline, and the reactor of this process does not run on asyncio",
            "restart it, without --reactor or with --reactor=asyncio",
        )
