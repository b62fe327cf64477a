"""The scheme of session cookies: who has logged in, signed and kept by the browser."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from unixsvc.authentication.credentials import Credentials, InvalidCredentials, printable_subject
from unixsvc.authentication.schemes.base import SchemeBase, quoted
from unixsvc.authentication.schemes.cookies import read_cookie
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError

__all__ = ["Session", "SessionCookie"]

_MIN_KEY: Final = 32  # bytes
# Browsers take cookies of 4,096 bytes, with their name and attributes.
_MAX_COOKIE: Final = 3800
_MAX_AGE: Final = 43_200.0
_INVALID: Final = "the session is not valid"


class Session(Struct, frozen=True):
    """What a session cookie says.

    :ivar subject: the user, as :meth:`SessionCookie.log_in` has got it.
    :ivar id: of this session, random; to log out on all devices, keep the ids that are not valid any more.
    :ivar started: when the user has logged in.
    :ivar data: further values of the application. The user can read them, but not change them.
    """

    subject: str
    id: str
    started: datetime
    data: JsonObject = {}


class _Content(Struct, frozen=True, array_like=True):
    """The content of a cookie; ``started`` is in seconds since 1970."""

    subject: str
    id: str
    started: float
    data: JsonObject = {}


class _Serializer:
    """JSON, as itsdangerous wants it."""

    @staticmethod
    def dumps(content: _Content) -> bytes:
        return msgspec.json.encode(content)

    @staticmethod
    def loads(data: bytes | str) -> _Content:
        return msgspec.json.decode(data, type=_Content)


class SessionCookie(SchemeBase):
    """Users who have logged in, in a signed cookie; needs the extra ``session``.

    Nothing is stored on the server, so every worker and every host with the key knows the session. Every
    login makes a new cookie, and a cookie that the server has not signed is never taken over: there is no
    session to fixate. The controllers get the scheme from the container, to log users in and out.

    :param find_user: gets the :class:`~unixsvc.Session`; returns the user, or None to end the session.
    :param key: signs the cookies, at least 32 bytes; several to replace one: the first signs, all verify.
    :param cookie: the name of the cookie, to which a secure one has the prefix ``__Host-``.
    :param max_age: the time after which a user has to log in again, in seconds.
    :param secure: false for a site without TLS, as on a developer's machine.
    :param same_site: see ``SameSite`` in RFC 6265bis.
    :param origins: the origins of other sites whose pages may use the session for requests that change
        something, as ``https://app.example.org``. They have to be in ``[http.cors]`` as well.
    :param name: of the scheme.
    :param description: for API documentation.
    :param now: the time since 1970, in seconds.
    """

    def __init__(
        self,
        find_user: Callable[..., object],
        *,
        key: str | Sequence[str],
        cookie: str = "session",
        max_age: float = _MAX_AGE,
        secure: bool = True,
        same_site: Literal["Lax", "Strict", "None"] = "Lax",
        origins: Sequence[str] = (),
        name: str = "session",
        description: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(find_user, name, description)
        self._keys = [key] if isinstance(key, str) else list(key)
        if not self._keys or any(len(each.encode()) < _MIN_KEY for each in self._keys):
            remedy = "make one with: openssl rand -hex 32"
            raise ConfigError(self._where, f"a key has less than {_MIN_KEY} bytes", remedy)
        if same_site == "None" and not secure:
            raise ConfigError(self._where, "SameSite=None needs a secure cookie", "remove one of the two")
        self._cookie = f"__Host-{cookie}" if secure else cookie
        self._attributes = f"; Path=/; HttpOnly; SameSite={same_site}" + "; Secure" * secure
        self._max_age = max_age
        self._origins = frozenset(origin.encode() for origin in origins)
        self._now = now
        self._serializer: Any = None  # of a package that need not be installed

    def start(self, folder: str) -> None:
        """Import itsdangerous."""
        try:
            itsdangerous = import_module("itsdangerous")
        except ModuleNotFoundError:
            remedy = "install it: pip install 'unixsvc[session]'"
            raise ConfigError(self._where, "itsdangerous is not installed", remedy) from None
        self._serializer = itsdangerous.URLSafeSerializer(
            self._keys[::-1],  # the last one signs
            salt=f"unixsvc.session.{self.name}",
            serializer=_Serializer,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._bad_data: type[Exception] = itsdangerous.BadData

    def log_in(self, request: Request, subject: str, data: JsonObject | None = None) -> None:
        """Set the cookie of a new session with the reply to a request, which has to be over HTTP.

        :param subject: identifies the user.
        :param data: further values, which the browser keeps: few and no secrets.
        :raises ValueError: if they do not fit into a cookie.
        """
        content = _Content(subject, secrets.token_urlsafe(16), self._now(), data or {})
        value: str = self._serializer.dumps(content).decode("ascii")
        if len(value) > _MAX_COOKIE:
            raise ValueError(f"the session has {len(value)} bytes, more than {_MAX_COOKIE}")
        self._set(request, value, int(self._max_age))

    def log_out(self, request: Request) -> None:
        """Remove the cookie with the reply to a request.

        A copy of the cookie stays valid until its time is over, unless ``find_user`` refuses it.
        """
        self._set(request, "", 0)

    def read(self, request: Request) -> Credentials | None:
        """Return the session."""
        value = read_cookie(request, self._cookie, self._origins)
        if not value:
            return None
        if len(value) > _MAX_COOKIE:
            raise InvalidCredentials(_INVALID)
        try:
            content: _Content = self._serializer.loads(value)
        except (self._bad_data, msgspec.MsgspecError, ValueError, RecursionError):
            raise InvalidCredentials(_INVALID) from None
        if not content.started <= self._now() < content.started + self._max_age:
            raise InvalidCredentials("the session has ended", is_guess=False)
        request.add_reply_header("Cache-Control", "no-store")
        started = datetime.fromtimestamp(content.started, UTC)
        session = Session(content.subject, content.id, started, content.data)
        return Credentials(session, printable_subject(content.subject))

    def challenge(self, problem: str) -> str:
        """Return the name of the cookie; no registered scheme describes it."""
        return f"Cookie name={quoted(self._cookie)}"

    def describe(self) -> JsonObject:
        """Return the place of the cookie."""
        description = {"description": self.description} if self.description else {}
        return {"type": "apiKey", "in": "cookie", "name": self._cookie} | description

    def _set(self, request: Request, value: str, max_age: int) -> None:
        request.add_reply_header("Set-Cookie", f"{self._cookie}={value}; Max-Age={max_age}{self._attributes}")
        request.add_reply_header("Cache-Control", "no-store")
