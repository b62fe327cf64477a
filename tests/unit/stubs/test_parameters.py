"""Generated methods with header fields, cookies, queries and other bodies."""

from __future__ import annotations

import enum
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.routing.serving import Serving
from tests.unit.stubs.stub_harness import load_module, made_from, outcome
from unixsvc import Body, ClientInfo, Cookie, Form, Header, Query
from unixsvc.routing.app import App
from unixsvc.routing.route import GET, POST
from unixsvc.testing import MemoryService


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class Item(Struct):
    """A struct."""

    name: str


def everything(
    id: int,
    item: Annotated[Item, Body()],
    note: Annotated[str, Body("the-note")] = "-",
    *,
    x_tenant: Annotated[str, Header(description="The customer.")],
    x_ids: Annotated[list[int], Header()] = [],
    colour: Annotated[Colour | None, Header("X-Colour")],
    session: Annotated[str | None, Cookie()],
    visits: Annotated[int, Cookie("n-visits")] = 0,
    page: Annotated[int, Query(), Meta(ge=1)] = 1,
    tags: Annotated[list[str], Query("tag")] = [],
    client: ClientInfo,
) -> list[Any]:
    """Take all of them."""
    found = [id, item.name, note, x_tenant, x_ids, colour, session, visits, page, tags]
    return [*found, client.uid]


def total(numbers: Annotated[list[int], Body()]) -> int:
    """Take an array."""
    return sum(numbers)


def maybe(number: Annotated[int | None, Body()] = 7) -> int | None:
    """Take a scalar, or nothing."""
    return number


def size(data: bytes) -> int:
    """Take bytes."""
    return len(data)


class Paging(Struct):
    """Fields of a query."""

    page: int = 1
    tags: list[str] = []


class Tracing(Struct):
    """Header fields."""

    x_trace: Annotated[str, Meta(description="The trace.")]


def listed(paging: Annotated[Paging, Query()], tracing: Annotated[Tracing, Header()]) -> list[Any]:
    """Take models."""
    return [paging.page, paging.tags, tracing.x_trace]


def login(form: Annotated[Item, Form()]) -> str:
    """Take a form."""
    return form.name


ROUTES = [
    POST("/all/{id:int}", everything), POST("/total", total), POST("/maybe", maybe), POST("/size", size),
    POST("/login", login), GET("/list", listed),
]  # fmt: skip


class Carrier:
    """Carries calls to a service in memory.

    :ivar meta: of the last call.
    """

    def __init__(self) -> None:
        self._service = MemoryService(App(ROUTES))
        self.meta: dict[str, str] | None = None

    async def call(
        self, method: str, path: str, data: Any = None, *, meta: dict[str, str] | None = None, **options: Any
    ) -> Any:
        """Make a call; None is no data."""
        self.meta = meta
        envelope = {} if meta is None else {"meta": meta}
        return self._service.call(method, path, {} if data is None else data, **envelope).wait()


class ParameterTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Generate a client."""
        self.text = made_from(Serving(*ROUTES).router.contract())
        self.module = load_module(self.text)
        self.carrier = Carrier()
        self.client = self.module.Client(self.carrier)

    def test_all(self) -> None:
        """Each is a keyword argument, and arrives in its place."""
        item = self.module.Item(name="Pen")
        found = outcome(
            self.client.post_all_by_id(
                7, item=item, the_note="n", x_tenant="ä, b", x_ids=[1, 2], x_colour="red", session="s=1",
                n_visits=3, page=2, tag=["a&b", "c"],
            )
        )  # fmt: skip
        self.assertEqual(found[:-1], [7, "Pen", "n", "ä, b", [1, 2], "red", "s=1", 3, 2, ["a&b", "c"]])

    def test_unset(self) -> None:
        """What is not set is not sent."""
        item = self.module.Item(name="Pen")
        found = outcome(self.client.post_all_by_id(7, item=item, x_tenant="a", session=None, tag=[]))
        self.assertEqual(found[:-1], [7, "Pen", "-", "a", [], None, None, 0, 1, []])
        self.assertEqual(self.carrier.meta, {"x-tenant": "a"})

    def test_bodies(self) -> None:
        """Bodies that are no objects are the data."""
        self.assertEqual(outcome(self.client.post_total([1, 2])), 3)
        self.assertEqual(outcome(self.client.post_size(b"abc")), 3)
        self.assertEqual(outcome(self.client.post_maybe(5)), 5)
        self.assertEqual(outcome(self.client.post_maybe()), 7)
        self.assertEqual(outcome(self.client.post_maybe(UNSET)), 7)
        self.assertEqual(outcome(self.client.post_login(self.module.Item(name="Ada"))), "Ada")

    def test_models(self) -> None:
        """Each field of a model is a keyword argument."""
        self.assertEqual(outcome(self.client.get_list(x_trace="a", page=2, tags=["b"])), [2, ["b"], "a"])
        self.assertIn(":param x_trace: The trace.", self.text)

    def test_documented(self) -> None:
        """Descriptions are in the docstring."""
        self.assertIn(":param x_tenant: The customer.", self.text)

    def test_not_needed(self) -> None:
        """Without header fields and cookies, callers need not take ``meta``."""

        def plain() -> None:
            """Do nothing."""

        self.assertNotIn("meta", made_from(Serving(GET("/", plain)).router.contract()))
