"""Who may act on the page: tokens of operators, and the sessions of their browsers. Pure."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.errors import Forbidden, Unauthorized
from unixsvc.security.access import AcceptedToken, RouteRules, digest_of

__all__ = ["FILE_TOKEN", "Operator", "Operators", "Session", "Sessions"]

FILE_TOKEN: Final = "dashboard"
"""The name of the operator whose token is in ``[dashboard] token_file``."""
_LIFETIME: Final = 43_200.0  # seconds: a working day
_MAX_SESSIONS: Final = 64
_LONGEST: Final = 4096  # characters of a token


class Operator(Struct, frozen=True):
    """Who has a token.

    :ivar name: of the token.
    :ivar digest: of the token.
    :ivar routes: the routes of the control API that it may call; empty for all.
    """

    name: str
    digest: str
    routes: tuple[str, ...] = ()

    def check(self, method: str, path: str) -> None:
        """Check whether the operator may call a route of the control API.

        :raises Forbidden: if not.
        """
        if self.routes and not RouteRules(self.routes).allow(method, path):
            raise Forbidden(f"the token {self.name!r} is not for {method} {path}")


class Operators:
    """The operators.

    The shared token is for calls between services: every worker has it, so it is not that of an operator. Nor
    is a token for all services (``*``): it has to name the orchestrator.

    :param tokens: returns the valid tokens with names.
    :param file_token: returns the token of the file; empty if there is none.
    """

    def __init__(
        self, tokens: Callable[[], Iterable[AcceptedToken]], file_token: Callable[[], str] = lambda: ""
    ) -> None:
        self._tokens = tokens
        self._file_token = file_token

    def find(self, digest: str) -> Operator | None:
        """The operator with a token; None if there is no such token, or no longer."""
        found = None
        for each in self._all():
            if hmac.compare_digest(each.digest, digest):
                found = each
        return found

    def log_in(self, token: str) -> Operator:
        """The operator with a token.

        :raises Unauthorized: if it is not that of an operator.
        """
        found = self.find(digest_of(token)) if len(token) <= _LONGEST else None
        if found is None:
            raise Unauthorized("this is not the token of an operator")
        return found

    def _all(self) -> Iterable[Operator]:
        if token := self._file_token():
            yield Operator(FILE_TOKEN, digest_of(token))
        for each in self._tokens():
            if CONTROL_SERVICE in each.services:
                yield Operator(each.name, each.sha256, each.routes)


class Session(Struct, frozen=True):
    """A browser in which an operator has logged in.

    Cookies are not separate by port: other servers on the host get this one, too. So it gives no right to
    act: that needs ``secret``, which only the page has that has logged in.

    :ivar cookie: identifies it.
    :ivar secret: proves that a request is from the page (CSRF token).
    :ivar digest: of the token of the operator.
    :ivar until: its end, in seconds.
    """

    cookie: str
    secret: str
    digest: str
    until: float


class Sessions:
    """The sessions, in memory: they end with the orchestrator.

    :param now: the time in seconds.
    """

    def __init__(self, operators: Operators, now: Callable[[], float]) -> None:
        self._operators = operators
        self._now = now
        self._sessions: dict[str, Session] = {}

    def log_in(self, token: str) -> tuple[Operator, Session]:
        """Begin a session.

        :raises Unauthorized: if the token is wrong.
        """
        operator = self._operators.log_in(token)
        session = Session(
            secrets.token_urlsafe(32), secrets.token_urlsafe(32), operator.digest, self._now() + _LIFETIME
        )
        self._sessions = {key: each for key, each in self._sessions.items() if each.until > self._now()}
        if len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[digest_of(session.cookie)] = session
        return operator, session

    def reader(self, cookie: str) -> Operator | None:
        """The operator of a session, for requests that change nothing; None without a session."""
        # The lookup is by digest, so that its time says nothing about the cookies of others.
        session = self._sessions.get(digest_of(cookie)) if cookie else None
        if session is None or session.until <= self._now():
            return None
        return self._operators.find(session.digest)

    def actor(self, cookie: str, secret: str) -> Operator:
        """The operator of a session, for a request that changes something.

        :raises Unauthorized: if there is no such session, or its token was revoked.
        :raises Forbidden: if the secret is not that of the session.
        """
        operator = self.reader(cookie)
        if operator is None:
            raise Unauthorized("log in with the token of an operator")
        expected = self._sessions[digest_of(cookie)].secret
        if not hmac.compare_digest(expected.encode(), secret.encode("utf-8", "surrogatepass")):
            raise Forbidden("this request is not from the page that has logged in")
        return operator

    def log_out(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(digest_of(cookie), None)
