"""An action has the same results over the socket and over HTTP."""

from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import TOKEN, GatewayHarness
from unixsvc.config.settings import Security
from unixsvc.domain.refusal import MISSING
from unixsvc.errors import (
    Conflict,
    DeadlineExceeded,
    Forbidden,
    Gone,
    NotFound,
    RateLimited,
    ServiceError,
    Unavailable,
)  # fmt: skip
from unixsvc.routing.app import App
from unixsvc.routing.route import DELETE, GET, POST, Group
from unixsvc.testing import MemoryService

RAISED: dict[str, ServiceError | Exception] = {
    "missing": NotFound("no product 7"),
    "conflict": Conflict({"id": 7}),
    "gone": Gone(),
    "forbidden": Forbidden("not yours"),
    "limited": RateLimited(2.5),
    "unavailable": Unavailable(3),
    "late": DeadlineExceeded(),
    "crash": RuntimeError("the secret"),
}


class New(Struct):
    """The body of a request."""

    name: str
    price: float


class Things:
    """A controller."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    async def show(self, id: int, verbose: bool = False) -> dict[str, Any]:
        """Returns its arguments."""
        return {"id": id, "verbose": verbose, "text": "ü\n"}

    async def create(self, new: New) -> New:
        """Returns its arguments."""
        return new

    async def fail(self, kind: str) -> None:
        """Raises."""
        raise RAISED[kind]

    async def wait(self) -> None:
        """Never returns."""
        await Deferred()


ROUTES = [
    Group(
        "/things",
        Things,
        [
            GET("/{id:int}", Things.show, public=True),
            POST("", Things.create),
            DELETE("/fail/{kind}", Things.fail, public=True),
            GET("/wait", Things.wait, public=True),
        ],
    )
]


def over_http(found: Any) -> tuple[int, Any]:
    """The status code, and the data or the detail of the error."""
    if found.code < 400:
        return found.code, found.json
    problem = found.json
    known = {name: problem.pop(name) for name in ("type", "title", "status", "instance")}
    assert known["status"] == found.code
    if problem.get("detail", "").startswith("show the token as "):  # how to show a token differs over HTTP
        return found.code, None
    return found.code, problem.get("errors") or problem.get("detail") or problem or None


def over_socket(result: Any) -> tuple[int, Any]:
    """The same over the socket."""
    if isinstance(result, Failure):
        error: Any = result.value
        return error.code, None if error.detail == MISSING else error.detail
    return 200, result


class SameTests(SynchronousTestCase):
    def both(
        self,
        method: str,
        path: str,
        data: dict[str, Any],
        *,
        token_sent: bool = True,
        policy: Any = "private",
    ) -> int:
        """Call an action both ways; returns the code, which is the same."""
        token = TOKEN if token_sent else None
        service = MemoryService(App(ROUTES), token=token, security=Security(token=policy))
        found: list[Any] = []
        service.call(method, path, data).addBoth(found.append)
        options = {"json": data} if method in ("POST", "PUT") else {"params": data}
        answer = GatewayHarness(*ROUTES, policy=policy).request(method, path, token, **options)
        self.assertEqual(over_http(answer), over_socket(found[0]))
        self.flushLoggedErrors(RuntimeError)
        return answer.code

    def test_success(self) -> None:
        """Results of arguments in the path, the query and the body."""
        self.assertEqual(self.both("GET", "/things/7", {}), 200)
        self.assertEqual(self.both("POST", "/things", {"name": "a", "price": 1.5}), 200)

    def test_paths(self) -> None:
        """Unknown paths and methods."""
        self.assertEqual(self.both("GET", "/nowhere", {}), 404)
        self.assertEqual(self.both("PUT", "/things/7", {}), 405)

    def test_arguments(self) -> None:
        """Invalid arguments, by field."""
        self.assertEqual(self.both("POST", "/things", {"price": "x"}), 422)

    def test_raised(self) -> None:
        """Errors that the action raises, with their details; unexpected exceptions without."""
        codes = [self.both("DELETE", f"/things/fail/{each}", {}) for each in RAISED]
        self.assertEqual(codes, [404, 409, 410, 403, 429, 503, 504, 500])

    def test_tokens(self) -> None:
        """Missing tokens."""
        self.assertEqual(self.both("POST", "/things", {"name": "a", "price": 1}, token_sent=False), 401)
        self.assertEqual(self.both("GET", "/things/7", {}, token_sent=False, policy="required"), 401)
        self.assertEqual(self.both("GET", "/things/7", {}, token_sent=False, policy="private"), 200)

    def test_deadline(self) -> None:
        """Deadlines that are exceeded."""
        service, harness = MemoryService(App(ROUTES)), GatewayHarness(*ROUTES)
        found: list[Any] = []
        service.call("GET", "/things/wait", {}, timeout=2.0).addBoth(found.append)
        service.clock.advance(2)
        answer = harness.start("GET", "/things/wait", headers={"X-Request-Timeout": "2"})
        harness.clock.advance(2)
        harness.treq.flush()
        self.assertEqual(over_http(self.successResultOf(answer)), over_socket(found[0]))
        self.assertEqual(over_socket(found[0])[0], 504)
