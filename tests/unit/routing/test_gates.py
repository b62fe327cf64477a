"""Gates of routes: order, waiting and refusal."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from unixsvc.domain.body_spec import NO_ROUTE, BodyKind, BodySpec
from unixsvc.domain.message import Request
from unixsvc.errors import Forbidden, Invalid
from unixsvc.routing.gates import Gate
from unixsvc.routing.route import GET, POST, Route
from unixsvc.routing.signature import Signature

_CALLED: list[str] = []


def plain(id: int) -> int:
    """An action that needs no binding."""
    _CALLED.append("action")
    return id


async def coroutine(id: int) -> int:
    """An action that is a coroutine function."""
    return plain(id)


class _Gates:
    """Two gates for each route; each notes its call, and does what the test wants."""

    def __init__(self) -> None:
        self.answers: dict[str, Deferred[None] | Exception | None] = {}
        _CALLED.clear()

    def make(self, name: str) -> Gate:
        def gate(request: Request) -> Awaitable[None] | None:
            _CALLED.append(name)
            answer = self.answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return gate

    def first(self, route: Route, signature: Signature, where: str) -> Gate:
        """Make the first gate."""
        return self.make("first")

    def second(self, route: Route, signature: Signature, where: str) -> Gate:
        """Make the second gate."""
        return self.make("second")

    def none(self, route: Route, signature: Signature, where: str) -> None:
        """Make no gate."""


class GateTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make two routes, each with two gates."""
        self.gates = _Gates()
        makers = [self.gates.first, self.gates.none, self.gates.second]
        self.serving = Serving(GET("/a/{id:int}", plain), GET("/b/{id:int}", coroutine), gates=makers)

    def test_order(self) -> None:
        """A request passes the gates in their order before its action is called."""
        for path in ("/a/7", "/b/7"):
            _CALLED.clear()
            self.assertEqual(self.successResultOf(self.serving.start("GET", path)), (200, 7))
            self.assertEqual(_CALLED, ["first", "second", "action"])

    def test_waiting(self) -> None:
        """A gate may wait, and those after it are asked afterwards."""
        for path in ("/a/7", "/b/7"):
            _CALLED.clear()
            first, second = Deferred[None](), Deferred[None]()
            self.gates.answers = {"first": first, "second": second}
            reply = self.serving.start("GET", path)
            self.assertEqual(_CALLED, ["first"])
            first.callback(None)
            self.assertEqual(_CALLED, ["first", "second"])
            self.assertNoResult(reply)
            second.callback(None)
            self.assertEqual(self.successResultOf(reply), (200, 7))

    def test_refused(self) -> None:
        """An error of a gate is that of the request, and neither later gates nor the action are called."""
        self.gates.answers = {"first": Forbidden()}
        self.failureResultOf(self.serving.start("GET", "/a/7"), Forbidden)
        self.assertEqual(_CALLED, ["first"])

    def test_before_arguments(self) -> None:
        """A request that may not pass learns nothing about its arguments."""
        self.gates.answers = {"second": Forbidden()}
        self.serving = Serving(GET("/search", search), gates=[self.gates.first, self.gates.second])
        self.failureResultOf(self.serving.start("GET", "/search", data={"limit": "x"}), Forbidden)
        self.gates.answers = {}
        self.failureResultOf(self.serving.start("GET", "/search", data={"limit": "x"}), Invalid)


def search(limit: int) -> int:
    """An action with an argument."""
    return limit


class BodySpecTests(SynchronousTestCase):
    def test_usual(self) -> None:
        """Routes that take a JSON object have no specification, and without others the service has none."""
        router = Serving(GET("/a/{id:int}", plain)).router
        self.assertFalse(router.has_special_bodies)
        self.assertIsNone(router.body_spec("GET", "/a/7"))

    def test_limit(self) -> None:
        """A route may have a limit of its own; other routes, and paths without a route, have none."""
        router = Serving(POST("/a/{id:int}", plain, max_body=7), GET("/b/{id:int}", plain)).router
        self.assertTrue(router.has_special_bodies)
        self.assertEqual(router.body_spec("POST", "/a/7"), BodySpec(BodyKind.OBJECT, 7))
        self.assertIsNone(router.body_spec("GET", "/b/7"))
        self.assertIs(router.body_spec("GET", "/c"), NO_ROUTE)
        self.assertIs(router.body_spec("POST", "/b/7"), NO_ROUTE)
