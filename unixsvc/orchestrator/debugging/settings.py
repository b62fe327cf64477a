"""The settings of a service while it is debugged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from unixsvc.config.settings import Settings

__all__ = ["NO_LIMIT", "debug_settings"]

NO_LIMIT: Final = 1e6
"""The maximum of a duration in the configuration, in seconds: eleven days stand for no limit."""
# A worker that is suspended in a debugger does not answer, and its timers are late when it goes on. How long
# it may drain remains limited: a stop must not wait for a person.
_WAITS: Final = (
    "boot_timeout",
    "watchdog",
    "request_timeout",
    "message_timeout",
    "idle_timeout",
    "authentication_timeout",
)
_HTTP_WAITS: Final = ("header_timeout", "send_timeout")
_RECYCLING: Final = ("max_requests", "max_memory", "max_age")


def debug_settings(name: str, settings: Settings, variables: Mapping[str, str]) -> Settings:
    """Change the settings of a service so that its one worker may be suspended as long as a person thinks.

    :param settings: a configuration with the service.
    :param variables: added to its environment.
    """
    service = settings.services[name]
    # The keys are those of the struct, of which each has its own type.
    changes: dict[str, Any] = dict.fromkeys(_WAITS, NO_LIMIT) | dict.fromkeys(_RECYCLING, 0)
    changes |= {"workers": 1, "environment": {**service.environment, **variables}}
    gateways = {**settings.gateways}
    if name in gateways:
        gateways[name] = replace(gateways[name], **dict.fromkeys(_HTTP_WAITS, NO_LIMIT))
    services = {**settings.services, name: replace(service, **changes)}
    return replace(settings, services=services, gateways=gateways)
