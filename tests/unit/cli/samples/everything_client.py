"""Typed calls of the service ``everything``: Shop 1.0.

Made by unixsvc stub from the service's contract. Don't change it: make it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol, TypeAlias
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "Caller",
    "Circle",
    "Colour",
    "EverythingClient",
    "Labels",
    "Level",
    "Node",
    "Owner",
    "Settings",
    "Square",
    "Thing",
]


Colour: TypeAlias = Literal["green", "red"]
Level: TypeAlias = Literal[1, 2]


class Thing(Struct, kw_only=True):
    """What has everything."""

    id: UUID
    name: Annotated[str, Meta(min_length=1, pattern="^[a-z]+$")]
    colour: Colour
    level: Level
    date: dt.date
    at: Annotated[dt.datetime, Meta(tz=True)]
    lasts: dt.timedelta
    price: Decimal
    raw: bytes
    anything: Any
    nothing: None
    # Any: no tuple says that some of its items may be missing
    pair: list[Any]
    # Any: no tuple says that some of its items may be missing
    point: list[Any]
    mixed: int | str | list[bool] | None
    shape: Circle | Square | None
    labels: Labels
    owner: Owner | None = None
    kind: Literal[1, "a"] | None = "a"
    share: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    scores: Annotated[dict[str, float], Meta(max_length=3)] = {}
    both: tuple[int, str] = msgspec.field(
        default_factory=lambda: msgspec.convert([1, "x"], tuple[int, str]),
    )
    many: Annotated[list[Node], Meta(max_length=9)] = []
    tags: list[str] = []
    day: dt.date = msgspec.field(
        default_factory=lambda: msgspec.convert("2026-01-02", dt.date),
    )
    l_: bool = msgspec.field(name="l", default=True)


class Circle(Struct, kw_only=True, tag_field="shape", tag="circle"):
    """What the contract calls ``Circle``."""

    radius: Annotated[float, Meta(gt=0)]


class Square(Struct, kw_only=True, tag_field="shape", tag="square"):
    """What the contract calls ``Square``."""

    side: float


class Labels(Struct, kw_only=True):
    """What the contract calls ``Labels``."""

    first: str | UnsetType = UNSET


class Owner(Struct, kw_only=True):
    """Whose it is."""

    name: str
    since: dt.date | None = None


class Node(Struct, kw_only=True):
    """What contains itself."""

    value: int
    children: list[Node] = []


class Settings(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is only sent: "quotes", new spaces and ''' are no trouble.

    :ivar max_size: In bytes.
    """

    max_size: int = msgspec.field(name="max-size")
    class_: str = msgspec.field(name="class", default="a")
    list_: list[int] = msgspec.field(name="list", default=[])


class Caller(Protocol):
    """What carries the calls: a client of unixsvc, or whatever else has these methods."""

    def call(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
    ) -> Awaitable[Any]:
        """Ask for a result, which is decoded into the type."""

    def stream(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
    ) -> AsyncIterator[Any]:
        """Ask for a stream, each of whose items is decoded into the type."""


class EverythingClient:
    """Calls the service ``everything``.

    Every method takes ``timeout``, in seconds. What it leaves out, the service decides.

    :param client: carries the calls.
    """

    def __init__(self, client: Caller) -> None:
        self._client = client

    async def get_root(
        self,
        *,
        text: Annotated[str, Meta(min_length=1, pattern="^[a-z]+$")],
        limit: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET,
        colours: list[Colour] | UnsetType | None = UNSET,
        since: dt.date | UnsetType | None = UNSET,
        timeout_: float | UnsetType = UNSET,
        data: bool | UnsetType = UNSET,
        result: str | UnsetType = UNSET,
        timeout: float | None = None,
    ) -> list[Thing]:
        r"""Finds "things".

        ``GET /``.

        Slowly.

        But it finds them: \d+.

        :param limit: 20 if it is left out.
        :param colours: None if it is left out.
        :param since: None if it is left out.
        :param timeout_: 1.5 if it is left out.
        :param data: False if it is left out.
        :param result: 'a "b"' if it is left out.
        """
        data_: dict[str, Any] = {
            "text": text,
            "limit": limit,
            "colours": colours,
            "since": since,
            "timeout": timeout_,
            "data": data,
            "result": result,
        }
        result_: list[Thing] = await self._client.call(
            "GET",
            "/",
            _given(data_),
            timeout=timeout,
            type=list[Thing],
        )
        return result_

    async def get_things_by_id(self, id: int, *, timeout: float | None = None) -> Thing:
        """One thing.

        ``GET /things/{id:int}``.

        Give a thing.
        """
        result: Thing = await self._client.call(
            "GET",
            f"/things/{_quoted(id)}",
            timeout=timeout,
            type=Thing,
        )
        return result

    async def get_files_by_name_é_20_by_rest(
        self,
        name: str,
        rest: str,
        *,
        timeout: float | None = None,
    ) -> Any:
        """``GET /files/{name}/é%20?/{rest:path}``.

        Give anything.
        """
        return await self._client.call(
            "GET",
            f"/files/{_quoted(name)}/%C3%A9%2520%3F/{_quoted(rest, safe='/')}",
            timeout=timeout,
        )

    def get_on_by_day_by_colour_by_share(
        self,
        day: dt.date,
        colour: Colour,
        share: float,
        *,
        timeout: float | None = None,
    ) -> AsyncIterator[dict[str, list[Circle | Square]]]:
        """``GET /on/{day}/{colour}/{share:float}``.

        Give shapes, one after the other.
        """
        return self._client.stream(
            "GET",
            f"/on/{_quoted(day)}/{_quoted(colour)}/{_quoted(share)}",
            timeout=timeout,
            type=dict[str, list[Circle | Square]],
        )

    async def put_settings(
        self,
        data: Settings,
        *,
        timeout: float | None = None,
    ) -> None:
        """``PUT /settings``.

        Take settings.
        """
        await self._client.call("PUT", "/settings", data, timeout=timeout, type=None)

    async def post_things(self, data: Thing, *, timeout: float | None = None) -> Thing:
        """``POST /things``.

        Take what is also given.
        """
        result: Thing = await self._client.call(
            "POST",
            "/things",
            data,
            timeout=timeout,
            type=Thing,
        )
        return result

    async def post_thi_ngs(self, data: Thing, *, timeout: float | None = None) -> Thing:
        """``POST /thi-ngs``.

        Take what is also given.
        """
        result: Thing = await self._client.call(
            "POST",
            "/thi-ngs",
            data,
            timeout=timeout,
            type=Thing,
        )
        return result

    async def post_thi_ngs_2(
        self,
        data: Thing,
        *,
        timeout: float | None = None,
    ) -> Thing:
        """``POST /thi_ngs``.

        Take what is also given.
        """
        result: Thing = await self._client.call(
            "POST",
            "/thi_ngs",
            data,
            timeout=timeout,
            type=Thing,
        )
        return result

    async def delete_things_by_id(
        self,
        id: UUID,
        *,
        timeout: float | None = None,
    ) -> bool | None:
        """Forgets a thing.

        ``DELETE /things/{id:uuid}``.

        Forget it.
        """
        result: bool | None = await self._client.call(
            "DELETE",
            f"/things/{_quoted(id)}",
            timeout=timeout,
            type=bool | None,
        )
        return result


def _given(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was left out: the service knows best what holds instead."""
    return {name: value for name, value in data.items() if value is not UNSET}


def _quoted(value: object, safe: str = "") -> str:
    """Write a value so that it can stand in a path."""
    plain = msgspec.to_builtins(value)
    text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
    return quote(text, safe=safe)
