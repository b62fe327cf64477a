"""An application whose controller logs users in."""

from __future__ import annotations

from unixsvc import GET, POST, App, CurrentUser, Group, Request, Session, SessionCookie

__all__ = ["app"]


def _find_user(session: Session) -> Session:
    return session


class _Accounts:
    def __init__(self, sessions: SessionCookie) -> None:
        self._sessions = sessions

    def log_in(self, request: Request, name: str) -> None:
        self._sessions.log_in(request, name)

    def me(self, user: CurrentUser[Session]) -> str:
        return user.subject


app = App(
    [Group("", _Accounts, [GET("/me", _Accounts.me), POST("/login", _Accounts.log_in, public=True)])],
    authenticate=SessionCookie(_find_user, key="k" * 32),
)
