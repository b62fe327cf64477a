"""The dependencies of the controllers of the demo over HTTP."""

from __future__ import annotations

import svcs

from unix_app.user.container import register as register_users
from unixsvc import ServiceContext

__all__ = ["register"]


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    """Register the store of users. Its file is that of the service ``user``, so both show the same data.

    :raises unixsvc.errors.ConfigError: if an option is not known.
    """
    register_users(registry, context)
