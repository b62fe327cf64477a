"""A test case with a database file and the stores of two workers."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.datasource.idempotency.database import database_path
from unixsvc.datasource.idempotency.datasource import IdempotentDatasource
from unixsvc.datasource.idempotency.directory import directory_path
from unixsvc.datasource.idempotency.store import IdempotencyStore, StoreLimits
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Caller, Peer, Reply, Request
from unixsvc.errors import ServiceError

__all__ = ["RecordedActions", "StoreTestCase", "keyed"]


def keyed(key: str = "k", data: str = '{"x":1}', **fields: Any) -> Request:
    """A request with an idempotency key."""
    uid = fields.pop("uid", None)
    fields = {"method": "POST", "path": "/items", "meta": {"idempotency_key": key}} | fields
    return Request(data=msgspec.Raw(data.encode()), caller=Caller(Peer(uid)), **fields)


@implementer(IRouterDatasource)
class RecordedActions:
    """Actions that do as the test says.

    :ivar runs: the requests whose action was run.
    :ivar waits: what the next ones wait for; None to answer at once.
    :ivar error: what they raise then.
    :ivar refusal: what keeps them from being run.
    """

    def __init__(self) -> None:
        self.runs: list[Request] = []
        self.waits: Deferred[Any] | None = None
        self.error: BaseException | None = None
        self.refusal: ServiceError | None = None

    def check(self, request: Request) -> bool:
        """Raise the configured refusal; the reply is not a stream."""
        if self.refusal is not None:
            raise self.refusal
        return False

    async def handle(self, request: Request) -> Reply:
        """Run the action."""
        self.runs.append(request)
        number = len(self.runs)
        if self.waits is not None:
            await self.waits
        if self.error is not None:
            raise self.error
        return Reply(200, b'"run %d"' % number)


class StoreTestCase(SynchronousTestCase):
    """Two workers, A and B; both are alive, unless a test says otherwise.

    :ivar alive: the owners that are.
    """

    ttl = 100.0
    max_replies = 10
    max_bytes = 10_000

    def setUp(self) -> None:
        """Create a socket directory without a file."""
        self.clock = Clock()
        self.clock.advance(1_000_000.0)
        self.folder = os.path.abspath(self.mktemp())
        os.mkdir(self.folder)
        self.directory = directory_path(self.folder, "items")
        self.path = database_path(self.directory)
        self.alive = {"A", "B"}
        self.a, self.b = self.store("A"), self.store("B")

    def store(self, owner: str, directory: str | None = None) -> IdempotencyStore:
        """The store of a worker."""
        store = IdempotencyStore(
            self.directory if directory is None else directory,
            StoreLimits(self.ttl, self.max_replies, self.max_bytes),
            owner=owner,
            is_alive=lambda owner: owner in self.alive,
            now=self.clock.seconds,
        )
        self.addCleanup(store.close)
        return store

    def datasource(self, store: IdempotencyStore, actions: RecordedActions) -> IdempotentDatasource:
        """The datasource of a worker."""
        return IdempotentDatasource(actions, actions.check, store, self.clock)

    def start(self, datasource: IdempotentDatasource, request: Request) -> Deferred[Reply]:
        """Start a request."""
        coroutine: Any = datasource.handle(request)
        return Deferred.fromCoroutine(coroutine)
