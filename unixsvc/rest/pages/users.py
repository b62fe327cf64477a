"""Users of Klein routes: who they are, and what they may call."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, Final, Protocol, TypeVar

from twisted.web.iweb import IRequest

from unixsvc.authentication.guards import Requirement
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError, Forbidden, Unauthorized
from unixsvc.security.user_gate import UserGate, UserGates

__all__ = [
    "AdmitsUsers",
    "PageUsers",
    "admit_and_call",
    "current_user",
    "find_user",
    "message_of",
    "requirements_of",
    "requires",
    "set_page",
]

_ATTRIBUTE: Final = "unixsvc_requires"
_NO_USERS: Final = "needs a user, and the application authenticates none"
_REMEDY: Final = "give the application authenticate="

_F = TypeVar("_F", bound=Callable[..., Any])
_UserT = TypeVar("_UserT")


class PageUsers:
    """Makes the gates of pages.

    :param gates: those of the service; None if it has neither users nor rules.
    :ivar restrict_all: whether rules of the configuration restrict all pages.
    """

    def __init__(self, gates: UserGates | None) -> None:
        self._gates = gates
        self._made: dict[tuple[Requirement, ...] | None, UserGate] = {}
        self.restrict_all = gates is not None and gates.has_rules

    async def admit(self, message: Request, requirements: tuple[Requirement, ...] | None) -> None:
        """Admit a request to a page, and set its user.

        :param requirements: None if the page needs no user.
        :raises unixsvc.errors.ServiceError: if it is not admitted.
        """
        if self._gates is None:
            if requirements is not None:
                raise ConfigError(message.path, _NO_USERS, _REMEDY)
            return
        gate = self._made.get(requirements)
        if gate is None:
            gate = self._made[requirements] = self._gates.for_page(requirements)
        waiting = gate(message)
        if waiting is not None:
            await waiting


class AdmitsUsers(Protocol):
    """Admits users to pages.

    :ivar restricts_all: whether a page needs to be admitted that demands nothing itself.
    """

    restricts_all: bool

    async def admit(self, request: IRequest, requirements: tuple[Requirement, ...] | None) -> None:
        """Admit a user to a page."""


async def admit_and_call(
    runner: AdmitsUsers | None,
    function: Callable[..., object],
    requirements: tuple[Requirement, ...] | None,
    *args: object,
    **kwargs: object,
) -> object:
    """Call a page for a user whom it admits.

    :param args: of its function: the request, after the instance of a method.
    """
    request = next(each for each in args if IRequest.providedBy(each))
    if runner is not None:
        await runner.admit(request, requirements)
    result: Any = function(*args, **kwargs)  # of the application
    return await result if isawaitable(result) else result


def requires(*requirements: Requirement) -> Callable[[_F], _F]:
    """Let only users call a Klein route who meet all requirements. It stands below the route's decorator.

    :param requirements: as those of actions: permissions and functions; without any, every user may.
    """

    def decorate(function: _F) -> _F:
        setattr(function, _ATTRIBUTE, (*requirements, *(requirements_of(function) or ())))
        return function

    return decorate


def requirements_of(function: Callable[..., object]) -> tuple[Requirement, ...] | None:
    """Return the requirements that a function has been given; None without any."""
    found: tuple[Requirement, ...] | None = getattr(function, _ATTRIBUTE, None)
    return found


async def find_user(request: IRequest, kind: type[_UserT]) -> _UserT | None:
    """Return the user of a request that a Klein route answers; None for an anonymous client.

    :param kind: the class of the user.
    :raises unixsvc.errors.Forbidden: if the user is of another class.
    """
    users, message = _page_of(request)
    user = message.user
    if user is None:
        await users.admit(message, None)
        user = message.user
    if user is not None and not isinstance(user, kind):
        raise Forbidden("the user is of another kind")
    return user


async def current_user(request: IRequest, kind: type[_UserT]) -> _UserT:
    """Return the user of a request that a Klein route answers.

    :param kind: the class of the user.
    :raises unixsvc.errors.Unauthorized: if there is none.
    :raises unixsvc.errors.Forbidden: if the user is of another class.
    """
    user = await find_user(request, kind)
    if user is None:
        raise Unauthorized("this page needs a user")
    return user


def message_of(request: IRequest) -> Request:
    """Return a request of a Klein route as actions get it, as for :meth:`unixsvc.SessionCookie.log_in`.

    Headers that are added to its reply are sent, if the route has not begun to write its response.
    """
    _, message = _page_of(request)
    return message


def set_page(request: Any, users: PageUsers, message: Request) -> None:
    """Have the functions of this module know a request of twisted.web."""
    request.unixsvc_page = users, message  # a component of the request would cost several times as much


def _page_of(request: Any) -> tuple[PageUsers, Request]:
    found: tuple[PageUsers, Request] = request.unixsvc_page
    return found
