"""The dependencies of the controllers of the service ``user``."""

from __future__ import annotations

import os

import msgspec
import svcs
from msgspec import Struct

from unix_app.user.sqlite import SQLiteUsers
from unix_app.user.users import IUsers
from unixsvc import ServiceContext
from unixsvc.errors import ConfigError

__all__ = ["Options", "register"]


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """The table ``[services.user.options]``.

    :ivar database: the path of the SQLite file, relative to the directory of the configuration.
    """

    database: str = "users.sqlite3"


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    """Register the store of users.

    :raises ConfigError: for invalid options.
    """
    try:
        options = msgspec.convert(context.options, Options)
    except msgspec.ValidationError as error:
        raise ConfigError(f"services.{context.name}.options", str(error)) from None
    users = SQLiteUsers(os.path.join(context.folder, options.database))
    registry.register_value(IUsers, users, on_registry_close=users.close)
