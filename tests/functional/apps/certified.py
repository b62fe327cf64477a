"""An application whose users have client certificates."""

from __future__ import annotations

from msgspec import Struct

from unixsvc import GET, App, ClientCertificate, CurrentUser, PeerCertificate


class User(Struct):
    """A user."""

    name: str


def find_user(certificate: PeerCertificate) -> User:
    """The user of a certificate."""
    return User(certificate.common_name)


def me(user: CurrentUser[User]) -> User:
    """The user who asks."""
    return user


app = App([GET("/me", me)], authenticate=ClientCertificate(find_user))
