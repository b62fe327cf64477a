"""Users of every scheme that the page ``/docs`` can authorize, and routes that take files."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from unixsvc import (
    GET,
    POST,
    ApiKey,
    App,
    Basic,
    Bearer,
    CurrentUser,
    Form,
    Group,
    Password,
    Request,
    Session,
    SessionCookie,
    UploadFile,
)

__all__ = ["SECRET", "app", "basic"]

SECRET: Final = "key+of/ada="
"""What each scheme accepts, and what cookies and queries have to escape."""


class User(Struct):
    """A user, and how it was found."""

    name: str
    way: str


class Token(Struct):
    """A response of a token endpoint (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "bearer"


def _by_token(token: str) -> User | None:
    return User("ada", "bearer") if token == SECRET else None


def _by_header(key: str) -> User | None:
    return User("ada", "header") if key == SECRET else None


def _by_cookie(key: str) -> User | None:
    return User("ada", "cookie") if key == SECRET else None


def _by_query(key: str) -> User | None:
    return User("ada", "query") if key == SECRET else None


def _by_password(sent: Password) -> User | None:
    return User(sent.username, "basic") if sent.password == SECRET else None


def _by_session(session: Session) -> User | None:
    return User(session.subject, "session")


class Accounts:
    """The routes of users."""

    def __init__(self, sessions: SessionCookie) -> None:
        self._sessions = sessions

    async def log_in(self, request: Request, username: str) -> None:
        """Log in."""
        self._sessions.log_in(request, username)

    async def log_out(self, request: Request) -> None:
        """Log out."""
        self._sessions.log_out(request)

    async def token(self, username: str, password: str, grant_type: str) -> Token:
        """Return a token."""
        return Token(SECRET if password == SECRET and grant_type == "password" else "wrong")

    async def me(self, user: CurrentUser[User]) -> User:
        """Return the user."""
        return user

    async def change(self, user: CurrentUser[User]) -> User:
        """Change something."""
        return user


async def _me(user: CurrentUser[User]) -> User:
    return user


class Described(Struct):
    """A file that was received."""

    filename: str
    content_type: str
    content: str


async def _describe(file: UploadFile) -> Described:
    return Described(file.filename, file.content_type, (await file.read()).decode())


async def _take_one(photo: UploadFile, title: str = "none") -> list[Described]:
    return [await _describe(photo), Described(title, "", "")]


async def _take_many(
    photos: Annotated[list[UploadFile], Meta(min_length=1, max_length=3)], labels: list[str] = []
) -> list[Described]:
    return [*[await _describe(each) for each in photos], Described("|".join(labels), "", "")]


async def _take_optional(photo: UploadFile | None = None) -> list[Described]:
    return [] if photo is None else [await _describe(photo)]


class Labels(Struct):
    """A form without files."""

    name: str
    labels: list[str] = []


async def _take_form(form: Annotated[Labels, Form()]) -> Labels:
    return form


_ROUTES: Final = (
    Group(
        "",
        Accounts,
        [
            POST("/login", Accounts.log_in, public=True),
            POST("/logout", Accounts.log_out, public=True),
            POST("/token", Accounts.token, public=True),
            GET("/me", Accounts.me),
            POST("/changes", Accounts.change),
        ],
    ),
)
_FILES: Final = (
    POST("/one", _take_one, public=True),
    POST("/many", _take_many, public=True),
    POST("/optional", _take_optional, public=True),
    POST("/form", _take_form, public=True),
)

app = App(
    [*_ROUTES, *_FILES],
    title="Users",
    authenticate=[
        Bearer(_by_token, name="opaque"),
        Bearer(_by_token, name="oauth", token_url="token"),
        ApiKey(_by_header, name="key_in_header"),
        ApiKey(_by_cookie, cookie="key", name="key_in_cookie"),
        ApiKey(_by_query, query="key", name="key_in_query"),
        SessionCookie(_by_session, key="k" * 32, name="browser_session"),
    ],
)
basic = App(
    [GET("/me", _me), POST("/changes", _me)],
    title="Passwords",
    authenticate=[Basic(_by_password, name="password", max_failures=0), Bearer(_by_token, name="opaque")],
)
