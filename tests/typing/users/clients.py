"""Programs that call a service with each of the three clients."""

from __future__ import annotations

from typing import Any, assert_type

from msgspec import Raw, Struct
from twisted.internet.defer import Deferred

from unixsvc import Client, Created, Response, aio, blocking
from unixsvc.client.twisted.client import RawStream
from unixsvc.client.twisted.stream import Stream
from unixsvc.domain.message import Reply


class User(Struct):
    """A user."""

    id: int
    name: str


async def use_twisted(client: Client) -> None:
    assert_type(client.get("/user/1"), Deferred[Any])
    assert_type(client.get("/user/1", type=User), Deferred[User])
    assert_type(client.post("/user", type=User, name="Ann"), Deferred[User])
    assert_type(client.put("/user/1", type=User | None), Deferred[User | None])
    assert_type(client.patch("/user/1", type=list[User]), Deferred[list[User]])
    assert_type(client.delete("/user/1", type=None), Deferred[None])
    assert_type(await client.call("GET", "/user", type=list[User], timeout=1), list[User])
    assert_type(client.call("GET", "/user").addCallback(len), Deferred[int])
    assert_type(client.call("GET", "/user/1", type=Response[User]), Deferred[Response[User]])
    assert_type(await client.open("GET", "/users"), Raw | Created[Raw] | Reply | RawStream)
    async with client.stream("GET", "/users", type=User) as users:
        assert_type(users, Stream[User])
        async for user in users:
            assert_type(user, User)
    async with Client("user", socket_dir="/run/x", token="t", timeout=1.5, retry=False) as other:
        assert_type(other, Client)
    client.call("GET", "/user", tyep=User)  # error: tyep
    client.stream("GET", "/user", idempotency_key="x")  # error: idempotency_key
    client.get("/user", type="admin")  # error: type
    Client("user", socketdir="/run/x")  # error: socketdir


async def use_asyncio(client: aio.Client) -> int:
    assert_type(await client.get("/user/1"), Any)
    assert_type(await client.get("/user/1", type=User), User)
    assert_type(await client.post("/user", type=User, name="Ann"), User)
    assert_type(await client.put("/user/1", type=User | None), User | None)
    assert_type(await client.patch("/user/1", type=dict[str, User]), dict[str, User])
    assert_type(await client.delete("/user/1", type=None), None)
    assert_type(await client.call("GET", "/user", type=list[User], meta={"a": "b"}), list[User])
    async with client.stream("GET", "/users", type=User) as users:
        assert_type([each async for each in users], list[User])
    await client.call("GET", "/user", meta={"a": 1})  # error: str
    client.get("/user/1").result()  # error: result
    return await client.get("/user/1", type=User)  # error: User


def use_blocking(client: blocking.Client) -> None:
    assert_type(client.get("/user/1"), Any)
    assert_type(client.get("/user/1", type=User), User)
    assert_type(client.post("/user", type=User, name="Ann"), User)
    assert_type(client.put("/user/1", type=User | None), User | None)
    assert_type(client.patch("/user/1", type=tuple[int, str]), tuple[int, str])
    assert_type(client.delete("/user/1", type=None), None)
    assert_type(client.call("GET", "/user", type=list[User], timeout=0.5), list[User])
    with client.stream("GET", "/users", type=User) as users:
        assert_type(next(users), User)
        assert_type(list(users), list[User])
    with blocking.Client("user", connections=2) as other:
        assert_type(other, blocking.Client)
    client.get("/user/1", type=User).nmae  # error: nmae
    client.call("GET", "/user", timeout="1")  # error: timeout
    blocking.Client("user", reactor=None)  # error: reactor
