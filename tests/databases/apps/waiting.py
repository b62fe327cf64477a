"""A controller that waits in libraries for asyncio and for Deferreds, and counts their connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

import anyio
import asyncpg
import httpx
from redis.asyncio import BlockingConnectionPool, Redis
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import GET, App, Cancelled, DeadlineExceeded, Group, ServiceContext

_SIZE = 4  # connections of each pool
_LONG = 1000  # seconds


class Waiting:
    """Waits in each library.

    :ivar started: the number of actions that have come to where they wait.
    :ivar interrupted: where actions have been interrupted, with the class of the error.
    """

    def __init__(
        self,
        postgresql: asyncpg.Pool,
        http: httpx.AsyncClient,
        redis: Redis,
        reactor: IReactorTime,
    ) -> None:
        self._postgresql = postgresql
        self._http = http
        self._redis: Any = redis  # its annotations are too wide
        self._reactor = reactor
        self.started = 0
        self.interrupted: list[str] = []

    async def query(self) -> None:
        """Wait for a query, or for a connection."""
        with self._recording("query"):
            await self._postgresql.fetchval("SELECT count(*) FROM pg_sleep($1)", _LONG)

    async def transaction(self) -> None:
        """Wait in a transaction that has changed something."""
        with self._recording("transaction"):
            async with self._postgresql.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO visits DEFAULT VALUES")
                await connection.execute("SELECT pg_sleep($1)", _LONG)

    async def request(self) -> None:
        """Wait for the head of a response."""
        with self._recording("request"):
            await self._http.get("/head")

    async def body(self) -> None:
        """Wait for the rest of a body."""
        with self._recording("body"):
            await self._http.get("/body")

    async def pop(self) -> None:
        """Wait for an element of a list."""
        with self._recording("pop"):
            await self._redis.blpop(["empty"], _LONG)

    async def group(self) -> None:
        """Wait for the children of a task group."""
        with self._recording("group"):
            async with anyio.create_task_group() as group:
                group.start_soon(self._child, self._postgresql.fetchval, "SELECT pg_sleep($1)", _LONG)
                group.start_soon(self._child, self._redis.blpop, ["empty"], _LONG)
                group.start_soon(self._child, anyio.sleep_forever)

    async def deferred(self) -> None:
        """Wait for a Deferred."""
        with self._recording("deferred"):
            await deferLater(self._reactor, _LONG)

    async def all(self) -> list[int]:
        """Use all of them in turn."""
        found: list[int] = [await self._postgresql.fetchval("SELECT 1")]
        found.append((await self._http.get("/2")).json())
        await self._redis.rpush("elements", 3)
        _, element = await self._redis.blpop(["elements"], _LONG)
        found.append(int(element))

        first_done = anyio.Event()

        async def first() -> None:
            await anyio.sleep(0)
            found.append(4)
            first_done.set()

        async def second() -> None:
            await first_done.wait()
            found.append(5)

        async with anyio.create_task_group() as group, asyncio.timeout(_LONG):
            group.start_soon(second)
            group.start_soon(first)
        return [*found, await deferLater(self._reactor, 0, lambda: 6)]

    async def counts(self) -> dict[str, Any]:
        """Count the connections, and the actions."""
        transport: Any = self._http._transport  # neither httpx nor redis has public counts
        http = transport._pool.connections
        redis: Any = self._redis.connection_pool
        return {
            "postgresql": [self._postgresql.get_size(), self._postgresql.get_idle_size()],
            "http": [len(http), sum(each.is_idle() for each in http)],
            "redis": [
                len(redis._in_use_connections) + len(redis._available_connections),
                len(redis._available_connections),
            ],
            "started": self.started,
            "interrupted": sorted(self.interrupted),
        }

    @contextmanager
    def _recording(self, place: str) -> Iterator[None]:
        self.started += 1
        try:
            yield
        except (DeadlineExceeded, Cancelled) as error:
            self.interrupted.append(f"{place}: {type(error).__name__}")
            raise

    async def _child(self, function: Any, *arguments: object) -> None:
        try:
            await function(*arguments)
        except asyncio.CancelledError:
            self.interrupted.append("child: CancelledError")
            raise


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncIterator[dict[type, object]]:
    """Open the pools."""
    options = context.options
    limits = httpx.Limits(max_connections=_SIZE)
    pool = BlockingConnectionPool.from_url(options["redis"], max_connections=_SIZE, timeout=None)
    async with (
        asyncpg.create_pool(options["postgresql"], min_size=0, max_size=_SIZE) as postgresql,
        httpx.AsyncClient(base_url=options["http"], limits=limits, timeout=_LONG, trust_env=False) as http,
        aclosing(Redis.from_pool(pool)) as redis,
    ):
        yield {asyncpg.Pool: postgresql, httpx.AsyncClient: http, Redis: redis}


_ACTIONS = (
    Waiting.query,
    Waiting.transaction,
    Waiting.request,
    Waiting.body,
    Waiting.pop,
    Waiting.group,
    Waiting.deferred,
    Waiting.all,
    Waiting.counts,
)
app = App(
    [Group("", Waiting, [GET(f"/{action.__name__}", action) for action in _ACTIONS])], lifespan=lifespan
)
