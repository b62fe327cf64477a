"""An application on FastAPI, for uvicorn; Pydantic checks the body and encodes the results."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, Field

from bench.servers import data

app = FastAPI(openapi_url=None)


class User(BaseModel):
    """A user."""

    id: int
    name: str


class NewUser(BaseModel):
    """The body of ``POST /user``."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    age: Annotated[int, Field(ge=0, le=150)]


class CreatedUser(User):
    """A new user."""

    age: int


@app.get("/user/{id}")
async def show(id: int) -> User:
    """One user."""
    return User(**data.show(id))


@app.post("/user")
async def create(new: NewUser) -> CreatedUser:
    """Create a user."""
    return CreatedUser(**data.create(new.name, new.age))
