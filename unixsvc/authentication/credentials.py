"""Credentials of a request, and why they are refused."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from msgspec import Struct

from unixsvc.errors import ServiceError

__all__ = ["Credentials", "InvalidCredentials", "digest_subject", "printable_subject"]

_MAX_SUBJECT: Final = 128


class Credentials(Struct, frozen=True, gc=False):
    """Credentials that a scheme has found in a request, and has verified as far as it can.

    :ivar value: the argument for the function of the application that finds the user.
    :ivar subject: identifies the user among those of the scheme.
    """

    value: object
    subject: str


class InvalidCredentials(Exception):
    """The credentials of a request are not valid.

    :ivar problem: for the client: a sentence without a secret.
    :ivar is_guess: whether it may be an attempt to guess, which is counted as a wrong token is.
    :ivar error: the error of a request that needs a user; None for 401.
    """

    def __init__(self, problem: str, *, is_guess: bool = True, error: ServiceError | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.is_guess = is_guess
        self.error = error


def digest_subject(secret: str) -> str:
    """Return a subject for a secret that stands for its user, as an API key does; it does not reveal it."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def printable_subject(text: str) -> str:
    """Return a subject as it is, or a digest of one that is long or that a log could not show."""
    if text and len(text) <= _MAX_SUBJECT and text.isascii() and text.isprintable():
        return text
    return digest_subject(text)
