"""Users: schemes, parameters, guards."""

from __future__ import annotations

from typing import assert_type

from msgspec import Struct

from unixsvc import (
    GET,
    ApiKey,
    App,
    Basic,
    Bearer,
    CurrentUser,
    Group,
    Password,
    Peer,
    Request,
    ServiceContext,
    Session,
    SessionCookie,
    UnixUser,
    hash_password,
    verify_password,
)
from unixsvc.testing import MemoryHttp, MemoryService


class User(Struct):
    """A user."""

    name: str


class Robot(Struct):
    """A user of another kind."""

    number: int


class Claims(Struct):
    """The claims of a token."""

    sub: str


class Accounts:
    """From the container."""

    async def find(self, name: str) -> User | None:
        return User(name)


def by_claims(claims: Claims) -> User | None:
    return User(claims.sub)


async def by_key(key: str, accounts: Accounts, request: Request) -> User | None:
    return await accounts.find(key)


def by_password(sent: Password) -> User | None:
    assert_type(sent.username, str)
    return User(sent.username) if verify_password(sent.password, hash_password("x")) else None


def by_session(session: Session) -> User:
    return User(session.subject)


def by_process(peer: Peer) -> Robot | None:
    return None if peer.uid is None else Robot(peer.uid)


def me(user: CurrentUser[User]) -> str:
    assert_type(user, User)
    return user.surname  # error: surname


async def maybe(user: CurrentUser[User] | None) -> str:
    return user.name  # error: name


def either(user: CurrentUser[User | Robot]) -> str:
    return user.name if isinstance(user, User) else str(user.number)


async def is_ada(user: User, accounts: Accounts) -> bool:
    return user == await accounts.find("ada")


class Sessions:
    """A controller that logs in."""

    def __init__(self, sessions: SessionCookie) -> None:
        self._sessions = sessions

    def log_in(self, request: Request, name: str) -> None:
        self._sessions.log_in(request, name, {"theme": "dark"})
        self._sessions.log_in(name)  # error: subject


def schemes(context: ServiceContext) -> list[Bearer | SessionCookie]:
    return [
        Bearer.jwt(by_claims, algorithms=["RS256"], audience="a", issuer=None, jwks_file="keys.json"),
        SessionCookie(by_session, key=context.options["key"], same_site="Strict"),
    ]


Bearer.jwt(by_claims, audience="a", issuer="b", key="c")  # error: algorithms
SessionCookie(by_session, key="k", same_site="lax")  # error: Literal

App([GET("/me", me, requires=["a", is_ada])], authenticate=schemes)
App([Group("/a", Sessions, [GET("", maybe)], requires=[is_ada])], authenticate=Bearer(by_key))
App([GET("/a", either)], authenticate=[ApiKey(by_key), Basic(by_password), UnixUser(by_process)])
app = App([], authenticate="jwt")  # error: authenticate
app = App([], authenticate=ApiKey(by_key), permissions=lambda user: [user.role])
service = MemoryService(app, user=User("ada"))
service.user = Robot(7)
MemoryHttp(app, user=None)
