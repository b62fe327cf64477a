"""The how-to page about databases does what it says, with real servers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.databases.servers import PostgreSQL, run_redis
from tests.examples.blocks import DATABASES
from tests.examples.page import check_page


class PageTests(SynchronousTestCase):
    def test_page(self) -> None:
        """Every example works, and the services leave no connection behind."""
        server = PostgreSQL()
        self.addCleanup(server.close)
        with run_redis() as redis:
            check_page(DATABASES, {"/run/postgresql": server.host, "/run/redis/redis-server.sock": redis})
        self.assertEqual(server.connections(), 0)
