"""What the controllers of the demo over HTTP are given."""

from __future__ import annotations

import svcs

from unix_app.user.container import register as register_users
from unixsvc import ServiceContext

__all__ = ["register"]


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    """Provide the store of users: the file is that of the service ``user``, so both show the same.

    :raises unixsvc.errors.ConfigError: for options that are none of ours.
    """
    register_users(registry, context)
