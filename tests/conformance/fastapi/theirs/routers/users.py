from typing import Annotated

from fastapi import APIRouter, Form, HTTPException
from pydantic import BaseModel

from ..dependencies import PASSWORDS, CurrentUser, User, create_token

router = APIRouter(tags=["users"])


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


class Name(BaseModel):
    username: str


@router.get("/users")
async def read_users() -> list[Name]:
    return [Name(username="Rick"), Name(username="Morty")]


@router.get("/users/me")
async def read_user_me(user: CurrentUser) -> User:
    return user


@router.get("/users/{username}")
async def read_user(username: str) -> Name:
    return Name(username=username)


@router.post("/login")
async def login(username: Annotated[str, Form()], password: Annotated[str, Form()]) -> Token:
    if PASSWORDS.get(username) != password:
        raise HTTPException(400, "incorrect username or password")
    return Token(access_token=create_token(username))
