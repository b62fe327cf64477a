"""Actions with a container for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import svcs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving, dispatched
from unixsvc.domain.message import Caller, Request
from unixsvc.domain.validation.finite_numbers import NotFinite
from unixsvc.errors import DeadlineExceeded
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.route import GET


class Session:
    """What a container opens for one request.

    :cvar log: what happened.
    """

    def __init__(self, log: list[str]) -> None:
        self.log = log


def with_session(container: svcs.Container, fails: bool = False) -> str:
    """Use a session."""
    session = container.get(Session)
    session.log.append("used")
    if fails:
        raise KeyError
    return session.log[0]


async def with_session_later(container: svcs.Container, fails: bool = False, waits: bool = False) -> str:
    """Use a session, and wait if there is a Deferred."""
    result = with_session(container, fails)
    if waits:
        await WAITING[-1]
    return result


WAITING: list[Deferred[int]] = []


class RequestContainerTests(SynchronousTestCase):
    """Actions with a container for each request."""

    def setUp(self) -> None:
        """A service whose sessions record when they are opened and closed."""
        self.log: list[str] = []

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            def session() -> Any:
                self.log.append("open")
                try:
                    yield Session(self.log)
                finally:
                    self.log.append("closed")

            registry.register_factory(Session, session)

        self.serving = Serving(
            GET("/now", with_session),
            GET("/later", with_session_later),
            GET("/thread", with_session, blocking=True),
            container=register,
        )

    def test_opened_and_closed(self) -> None:
        """The container of a request is closed when its action ends."""
        for path in ("/now", "/later", "/now"):
            self.assertEqual(self.successResultOf(self.serving.start("GET", path)), (200, "open"))
            self.assertEqual(self.log, ["open", "used", "closed"])
            self.log.clear()

    def test_closed_after_a_failure(self) -> None:
        """The container is closed if the action fails."""
        for path in ("/now", "/later"):
            self.failureResultOf(self.serving.start("GET", f"{path}?fails=1"), KeyError)
            self.assertEqual(self.log, ["open", "used", "closed"])
            self.log.clear()

    def test_closed_after_cancellation(self) -> None:
        """The container is open while the action waits, and closed if it is cancelled."""
        WAITING.append(Deferred())
        reply = self.serving.start("GET", "/later?waits=1")
        self.assertEqual(self.log, ["open", "used"])
        WAITING.pop().cancel()
        self.failureResultOf(reply, CancelledError)
        self.assertEqual(self.log, ["open", "used", "closed"])

    def test_in_a_thread(self) -> None:
        """A blocking action has its container until it returns, even if the request was cancelled."""
        reply = self.serving.start("GET", "/thread")
        self.assertEqual(self.log, [])
        function, deferred = self.serving.runner.waiting.pop()
        deferred.cancel()
        self.failureResultOf(reply, CancelledError)
        self.assertEqual(bytes(function()), b'"open"')
        self.assertEqual(self.log, ["open", "used", "closed"])


class Transaction:
    """An async context manager that records its end.

    :param log: what happened.
    :param fails: whether its commit fails.
    """

    def __init__(self, log: list[str], fails: bool = False) -> None:
        self._log = log
        self._fails = fails

    async def __aenter__(self) -> Transaction:
        await succeed(None)
        self._log.append("begin")
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        await succeed(None)
        self._log.append("commit" if error is None else f"rollback {type(error).__name__}")
        if self._fails:
            raise OSError("no connection")


class OutcomeTests(SynchronousTestCase):
    """The values of a request get the outcome of its action."""

    def setUp(self) -> None:
        """A service with transactions."""
        self.log: list[str] = []
        self.commit_fails = False

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            registry.register_factory(Transaction, lambda: Transaction(self.log, self.commit_fails))

            async def session(svcs_container: svcs.Container) -> AsyncIterator[Session]:
                await svcs_container.aget(Transaction)
                try:
                    yield Session(self.log)
                finally:
                    self.log.append("session closed")

            registry.register_factory(Session, session)

        self.waiting: Deferred[None] = Deferred()
        self.serving = Serving(
            GET("/", self.action),
            GET("/bad", self.bad_result),
            GET("/deferred", self.deferred),
            GET("/stream", self.stream),
            container=register,
        )

    async def action(self, container: svcs.Container, fails: bool = False, waits: bool = False) -> str:
        """Use a session."""
        session = await container.aget(Session)
        session.log.append("used")
        if fails:
            raise KeyError
        if waits:
            await self.waiting
        return "done"

    async def bad_result(self, container: svcs.Container) -> float:
        """Return a result that JSON does not have."""
        await container.aget(Session)
        return float("nan")

    def deferred(self, container: svcs.Container, fails: bool = False) -> str:
        """Return a Deferred of a coroutine."""
        result: Any = Deferred.fromCoroutine(self.action(container, fails))
        return result  # type: ignore[no-any-return] # the annotation is that of the awaited result

    async def stream(self, container: svcs.Container) -> AsyncIterator[int]:
        """Yield items."""
        session = await container.aget(Session)
        session.log.append("used")
        yield 1
        yield 2

    def test_success(self) -> None:
        """After a success, the values end without an error, the latest first."""
        for path in ("/", "/deferred"):
            self.log.clear()
            self.assertEqual(self.successResultOf(self.serving.start("GET", path)), (200, "done"))
            self.assertEqual(self.log, ["begin", "used", "session closed", "commit"])

    def test_failure(self) -> None:
        """They get the exception of the action, which the caller gets, too."""
        for path in ("/", "/deferred"):
            self.log.clear()
            self.failureResultOf(self.serving.start("GET", f"{path}?fails=1"), KeyError)
            self.assertEqual(self.log, ["begin", "used", "session closed", "rollback KeyError"])

    def test_cancelled(self) -> None:
        """They get the cancellation."""
        reply = self.serving.start("GET", "/?waits=1")
        self.waiting.errback(Failure(DeadlineExceeded()))
        self.failureResultOf(reply, DeadlineExceeded)
        self.assertEqual(self.log[2:], ["session closed", "rollback DeadlineExceeded"])

    def test_result_without_json(self) -> None:
        """A result that cannot be encoded is a failure for them, too."""
        self.failureResultOf(self.serving.start("GET", "/bad"), NotFinite)
        self.assertEqual(self.log, ["begin", "session closed", "rollback NotFinite"])

    def test_commit_fails(self) -> None:
        """A failure of their end is that of the request."""
        self.commit_fails = True
        self.failureResultOf(self.serving.start("GET", "/"), OSError)
        self.failureResultOf(self.serving.start("GET", "/?fails=1"), KeyError)

    def test_stream(self) -> None:
        """The values of a stream end after the last item."""
        request = Request("GET", "/stream", caller=Caller(trusted=True))
        reply = self.successResultOf(dispatched(self.serving.router.dispatch, request))
        assert reply.items is not None
        self.assertEqual(self.log, [])

        async def read(items: AsyncIterator[bytes]) -> list[bytes]:
            return [item async for item in items]

        items = self.successResultOf(Deferred.fromCoroutine(read(reply.items)))
        self.assertEqual(items, [b"1", b"2"])
        self.assertEqual(self.log, ["begin", "used", "session closed", "commit"])
