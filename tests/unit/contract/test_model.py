"""The model of a contract, and its bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.contract.test_describe import Sold, choose, create, products, show
from tests.unit.routing.serving import Serving, dispatched
from tests.unit.stubs.everything import ROUTES
from unixsvc.contract.model import Contract, RouteContract
from unixsvc.domain.message import Caller, Request
from unixsvc.routing.route import GET, POST

_RECORDED: Final = Path(__file__).with_name("routes.json")


def sent_contract() -> bytes:
    """The reply of a service with all kinds of routes to ``GET /-/routes``."""
    serving = Serving(
        GET("/show/{id:int}", show, public=True, title="One", description="Of many", meta={"b": {"x"}, 1: 2}),
        POST("/create", create, errors=[Sold], tags=["a"], deprecated=True),
        GET("/products", products),
        GET("/choose", choose),
        *ROUTES,
    )
    replies: list[bytes] = []
    request = Request("GET", "/-/routes", caller=Caller(trusted=True))
    dispatched(serving.router.dispatch, request).addCallback(lambda reply: replies.append(reply.body))
    return replies[0]


class ModelTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """The reply to ``GET /-/routes`` has the recorded bytes; deployed clients and tools read it."""
        self.assertEqual(sent_contract(), _RECORDED.read_bytes())

    def test_round_trip(self) -> None:
        """A decoded contract is encoded to the bytes that it was decoded from."""
        contract = msgspec.json.decode(_RECORDED.read_bytes(), type=Contract)
        self.assertEqual(msgspec.json.encode(contract), _RECORDED.read_bytes())

    def test_other_releases(self) -> None:
        """Unknown fields are ignored, and fields that an older release did not send have defaults."""
        sent = b'{"routes": [{"method": "GET", "path": "/x", "later": 1}], "later": {}}'
        route = RouteContract(method="GET", path="/x")
        self.assertEqual(msgspec.json.decode(sent, type=Contract), Contract(routes=[route]))
        self.assertEqual((route.data, route.result, route.errors), (None, {}, []))

    def test_application_routes(self) -> None:
        """The reserved routes below ``/-/`` are not the application's; ``/-`` alone is."""
        routes = [RouteContract(method="GET", path=path) for path in ("/", "/-", "/-/ping", "/-x")]
        paths = [route.path for route in Contract(routes=routes).application_routes]
        self.assertEqual(paths, ["/", "/-", "/-x"])
