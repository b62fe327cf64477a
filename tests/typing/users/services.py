"""A controller that calls other services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any, assert_type

from msgspec import Raw, Struct

from unixsvc import Created, IServices, ServiceCaller
from unixsvc.domain.message import Reply


class User(Struct):
    """A user."""

    id: int
    name: str


class Orders:
    """Actions."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def untyped(self) -> str:
        user = await self._services.get("user", "/user/1")
        assert_type(user, Any)
        name: str = user["name"]
        return name

    async def typed(self) -> list[str]:
        one = await self._services.get("user", "/user/1", type=User)
        assert_type(one, User)
        every = await self._services.get("user", "/user", limit=20, type=list[User])
        assert_type(every, list[User])
        maybe = await self._services.call("user", "GET", "/user/1", type=User | None, timeout=1.5)
        assert_type(maybe, User | None)
        count = await self._services.post("user", "/user", name="Ann", type=dict[str, int])
        assert_type(count, dict[str, int])
        assert_type(self._services.put("user", "/user/1"), Awaitable[Any])
        assert_type(self._services.patch("user", "/user/1", type=User), Awaitable[User])
        assert_type(self._services.delete("user", "/user/1", type=None), Awaitable[None])
        one.nmae  # error: nmae
        return [each.name for each in every]

    async def both(self) -> None:
        users = asyncio.gather(
            self._services.get("user", "/user/1", type=User), self._services.get("user", "/user/2", type=User)
        )
        assert_type(await users, tuple[User, User])

    async def streamed(self) -> AsyncIterator[User]:
        async for user in self._services.stream("user", "GET", "/users", {"limit": 5}, type=User):
            assert_type(user, User)
            yield user

    async def opened(self) -> None:
        opened = await self._services.open("user", "GET", "/users", limit=None)
        if isinstance(opened, Raw):
            assert_type(opened, Raw)
        elif isinstance(opened, Created):
            assert_type(opened, Created[Raw])
        elif isinstance(opened, Reply):
            assert_type(opened, Reply)
        else:
            assert_type(opened, AsyncIterator[Raw])

    async def wrong(self) -> None:
        await self._services.get("user")  # error: argument
        await self._services.get("user", "/user/1", {"limit": 1})  # error: positional
        await self._services.get("user", "/user/1", type=7)  # error: TypeForm
        await self._services.call("user", "GET", "/user/1", timeuot=1.5)  # error: timeuot
        await self._services.call("user", "GET", "/user/1", timeout="1")  # error: timeout
        await self._services.call("user", "GET", "/user/1", limit=1.5)  # error: limit
        await self._services.open("user", "GET", "/users", idempotency_key="x")  # error: idempotency_key
        await self._services.gte("user", "/user/1")  # error: gte
        self.name: str = await self._services.get("user", "/user/1", type=User)  # error: User


async def call_one(services: IServices) -> None:
    caller = ServiceCaller(services, "user")
    assert_type(await caller.call("GET", "/user/1"), Any)
    assert_type(await caller.call("GET", "/user/1", type=User, idempotency_key="x"), User)
    async for user in caller.stream("GET", "/users", type=User):
        assert_type(user, User)
    ServiceCaller("user", services)  # error: IServices
