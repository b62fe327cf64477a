"""An application with users: JSON Web Tokens of a key file, and processes of this machine."""

from __future__ import annotations

from msgspec import Struct

from unixsvc import GET, App, Bearer, CurrentUser, Peer, UnixUser


class User(Struct):
    """A user."""

    name: str
    role: str = ""


class Claims(Struct):
    """The claims of a token."""

    sub: str
    role: str = ""


def by_token(claims: Claims) -> User:
    """The user of a token."""
    return User(claims.sub, claims.role)


def by_process(peer: Peer) -> User:
    """The user of a process."""
    return User(f"uid {peer.uid}", "process")


def me(user: CurrentUser[User]) -> str:
    """Who it is."""
    return user.name


def greeting(user: CurrentUser[User] | None) -> str:
    """Who it is, if anyone."""
    return "stranger" if user is None else user.name


def admin() -> str:
    """For some, as the configuration says."""
    return "secret"


app = App(
    [GET("/me", me), GET("/greeting", greeting, public=True), GET("/admin", admin, public=True)],
    authenticate=[
        Bearer.jwt(by_token, algorithms=["RS256"], audience="api", issuer="test", jwks_file="jwks.json"),
        UnixUser(by_process),
    ],
)
