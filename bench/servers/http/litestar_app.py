"""An application on Litestar, for uvicorn; it checks the body and encodes the results with msgspec."""

from __future__ import annotations

from litestar import Litestar, get, post
from msgspec import Struct, convert

from bench.servers import data as stored
from bench.servers.data import NewUser


class User(Struct):
    """A user."""

    id: int
    name: str


class CreatedUser(User):
    """A new user."""

    age: int


_USERS = {number: convert(stored.show(number), User) for number in range(1, 101)}


@get("/user/{id:int}")
async def show(id: int) -> User:
    """One user."""
    return _USERS[id]


@post("/user", status_code=200)
async def create(data: NewUser) -> CreatedUser:
    """Create a user."""
    return CreatedUser(101, data.name, data.age)


app = Litestar([show, create], openapi_config=None, logging_config=None)
