"""The session per request of the how-to page: when it commits, and that it leaves no connection behind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.databases.case import DatabaseTestCase
from tests.databases.page_files import write_page_files
from tests.functional.orchestrator_process import full
from unixsvc.aio import Client
from unixsvc.errors import ServiceError

_POOL: Final = 8  # connections, as on the page
_IN_FLIGHT: Final = 50


class SessionTests(DatabaseTestCase):
    """The application ``counted_orders``, with one worker."""

    def setUp(self) -> None:
        """Create the tables, and run the service."""
        super().setUp()
        write_page_files(Path(self.folder))
        self.server.execute("CREATE TABLE articles (name VARCHAR PRIMARY KEY, pieces INTEGER NOT NULL)")
        self.server.execute("CREATE TABLE orders (id SERIAL PRIMARY KEY, article VARCHAR, pieces INTEGER)")
        self.server.execute("INSERT INTO articles VALUES ('pen', 1000000)")
        self.configure(
            '[services.orders]\napp = "counted_orders:app"\nworkers = 1\n[services.orders.options]\n'
            f'database = "postgresql+asyncpg://shop@/shop?host={self.server.host}"\n'
        )
        self.running = self.start()

    def order(self, article: str = "pen", pieces: int = 1) -> int:
        """Create an order; the code of the reply."""
        with self.talk("orders") as talk:
            data = {"article": article, "pieces": pieces}
            reply = talk.ask(id=1, method="POST", path="/orders", data=data)
        return int(reply["code"])

    def orders(self) -> int:
        """The number of orders in the table."""
        return self.server.number("SELECT count(*) FROM orders")

    def in_use(self) -> int:
        """The number of connections that are not in the pool."""
        checked_out, _ = self.ask("orders", "/pool")
        return int(checked_out)

    def assert_nothing_open(self) -> None:
        """All connections are in the pool, and no transaction or query is open in the server."""
        self.eventually(lambda: not self.in_use() + self.server.transactions() + self.server.queries())
        # The server ends the process of a connection of this test some time after its close.
        self.eventually(lambda: self.server.connections() <= _POOL)

    def locked(self) -> contextlib.AbstractContextManager[object]:
        """Orders wait for a lock after their INSERT, until the end of the context."""
        connection = self.enterContext(psycopg.connect(f"postgresql://shop@/shop?host={self.server.host}"))
        connection.execute("SELECT * FROM articles FOR UPDATE")
        return contextlib.closing(connection)

    def waiting(self) -> bool:
        """Whether a query waits for a lock."""
        return self.server.queries() > 0

    def test_commit(self) -> None:
        """A request that succeeds commits before its reply."""
        self.assertEqual(self.order(), 200)
        self.assertEqual(self.orders(), 1)
        self.assert_nothing_open()

    def test_error(self) -> None:
        """A request that fails is rolled back: before, in and after its statements."""
        self.assertEqual(self.order(pieces=2_000_000), 409)  # after INSERT and UPDATE
        self.assertEqual(self.order(pieces=1 << 40), 500)  # in the INSERT
        self.server.execute("ALTER TABLE orders ADD UNIQUE (article) DEFERRABLE INITIALLY DEFERRED")
        self.assertEqual([self.order(), self.order()], [200, 500])  # at the commit
        self.assertEqual(self.orders(), 1)
        self.assertEqual(self.server.number("SELECT pieces FROM articles"), 999_999)
        self.assert_nothing_open()

    def test_deadline(self) -> None:
        """At the deadline the reply is 504, and the transaction is rolled back while its query waits."""
        with self.locked(), self.talk("orders") as talk:
            data = {"article": "pen", "pieces": 1}
            talk.send(id=1, method="POST", path="/orders", data=data, timeout=self.on_busy_machine(1))
            self.eventually(self.waiting)
            self.assertEqual(talk.receive()["code"], 504)
            self.eventually(lambda: not self.waiting())
        self.assert_nothing_open()
        self.assertEqual(self.orders(), 0)
        self.assertEqual(self.order(), 200)

    def test_disconnect(self) -> None:
        """If the client disconnects, the transaction is rolled back while its query waits."""
        with self.locked(), self.talk("orders") as talk:
            talk.send(id=1, method="POST", path="/orders", data={"article": "pen", "pieces": 1})
            self.eventually(self.waiting)
            talk.close()
            self.eventually(lambda: not self.waiting())
        self.assert_nothing_open()
        self.assertEqual(self.orders(), 0)
        self.assertEqual(self.order(), 200)

    def test_many(self) -> None:
        """After many calls of which half fail, no connection is lost, and each success has its row."""
        count = 10_000 if full() else 1_000
        started = time.monotonic()
        codes = asyncio.run(self.call(count))
        seconds = time.monotonic() - started
        self.assertEqual(codes, {200: count // 2, 409: count // 2})
        self.assertEqual(self.orders(), count // 2)
        self.assert_nothing_open()
        _, idle = self.ask("orders", "/pool")
        self.eventually(lambda: self.server.connections() == idle)
        self.record_value(f"{count} calls, {dict(codes)}, {seconds:.1f} s, {idle} connections")
        self.running.interrupt()
        self.assertEqual(self.running.wait(), 0)
        self.eventually(lambda: self.server.connections() == 0)

    async def call(self, count: int) -> Counter[int]:
        """Call the service from several tasks; every second call fails. How often there was each code."""
        codes: Counter[int] = Counter()
        numbers = iter(range(count))

        async def work(client: Client) -> None:
            for number in numbers:
                # Half of the failures find no article, the others too few pieces.
                data: dict[str, Any] = {"article": "pen", "pieces": 1}
                if number % 2:
                    data = (
                        {"article": "ink", "pieces": 1} if number % 4 == 1 else data | {"pieces": 2_000_000}
                    )
                try:
                    await client.post("/orders", **data)
                except ServiceError as error:
                    codes[error.code] += 1
                else:
                    codes[200] += 1

        async with (
            Client("orders", socket_dir=str(Path(self.folder, "run")), token=self.token()) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(_IN_FLIGHT):
                group.create_task(work(client))
        return codes
