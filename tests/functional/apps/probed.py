"""An application that needs a file."""

from __future__ import annotations

import os
from pathlib import Path

import svcs

from unixsvc import GET, App, ServiceContext


class Database:
    """Stands for a database: it is there while its file is.

    :param path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path


def check(database: Database) -> None:
    """Fail if the file is missing."""
    database.path.stat()


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    """Provide the database."""
    registry.register_value(Database, Database(Path(context.folder, "database")), ping=check)


def pid() -> int:
    """The process that answers."""
    return os.getpid()


app = App([GET("/pid", pid, public=True)], register)
