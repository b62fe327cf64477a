from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from msgspec import Struct

from unixsvc import GET, POST, Bearer, CurrentUser, Form, Group, ServiceError

ISSUER = "https://login.example.org"
KEY = "0123456789abcdef0123456789abcdef"
PASSWORDS = {"ada": "analytical", "root": "engine"}
SCOPES = {"ada": ["items:write"], "root": ["items:write", "admin"]}


class User(Struct):
    username: str
    scopes: list[str]


class Claims(Struct):
    sub: str


class Login(Struct):
    username: str
    password: str


class Token(Struct):
    access_token: str
    token_type: str = "bearer"


class Name(Struct):
    username: str


class WrongLogin(ServiceError, code=400, message="Incorrect username or password"):
    pass


def find_user(claims: Claims) -> User | None:
    return User(claims.sub, SCOPES[claims.sub]) if claims.sub in SCOPES else None


def create_token(username: str) -> str:
    expires = datetime.now(UTC) + timedelta(minutes=30)
    claims = {"sub": username, "exp": expires, "aud": "shop", "iss": ISSUER}
    return jwt.encode(claims, KEY, algorithm="HS256")


async def read_users() -> list[Name]:
    return [Name("Rick"), Name("Morty")]


async def read_user_me(user: CurrentUser[User]) -> User:
    return user


async def read_user(username: str) -> Name:
    return Name(username)


async def login(form: Annotated[Login, Form()]) -> Token:
    if PASSWORDS.get(form.username) != form.password:
        raise WrongLogin
    return Token(create_token(form.username))


scheme = Bearer.jwt(
    find_user, algorithms=["HS256"], audience="shop", issuer=ISSUER, key=KEY, token_url="login"
)

routes = Group(
    "",
    None,
    [
        GET("/users", read_users, public=True),
        GET("/users/me", read_user_me),
        GET("/users/{username}", read_user, public=True),
        POST("/login", login, public=True),
    ],
    tags=["users"],
)
