"""A service under a real orchestrator, with PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.databases.servers import PostgreSQL
from tests.functional.orchestrator_process import OrchestratorTestCase

__all__ = ["DatabaseTestCase"]

_APPS = Path(__file__).with_name("apps")


class DatabaseTestCase(OrchestratorTestCase):
    """A test with PostgreSQL; its applications are those of ``tests/databases/apps``."""

    config = ""

    def setUp(self) -> None:
        """Run PostgreSQL."""
        super().setUp()
        for each in _APPS.glob("*.py"):
            shutil.copy(each, self.folder)
        self.server = PostgreSQL()
        self.addCleanup(self.server.close)
