"""Actions with a container for each request."""

from __future__ import annotations

from typing import Any

import svcs
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
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
                yield Session(self.log)
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
        self.assertEqual(function(), "open")
        self.assertEqual(self.log, ["open", "used", "closed"])
