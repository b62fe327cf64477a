"""Errors of clients: what a program catches, and what one attempt of a call fails with."""

from __future__ import annotations

from typing import Final

from unixsvc.errors import ServiceError, Unavailable, error_from

__all__ = [
    "UNKNOWN_HOST",
    "AttemptFailed",
    "BacklogFull",
    "ConnectAttemptFailed",
    "ConnectionLost",
    "ServiceUnreachable",
    "error_for_caller",
]


class ServiceUnreachable(Unavailable):
    """A service cannot be reached until an operator does something about it.

    :param where: its socket, or the socket directory.
    :param problem: what is wrong.
    :param remedy: what to do.
    """

    internal = True

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        ServiceError.__init__(self, f"{where}: {problem}; {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return str(self.detail)


class BacklogFull(ServiceUnreachable):
    """The service listens, and its backlog has no room for a connection."""


class ConnectAttemptFailed(Exception):
    """A connection was not established; the service has seen nothing of the call.

    :param reason: the error for the caller, if there is no further attempt.
    :ivar absent: True if the socket does not exist: no such service, or a restart.
    :ivar known: True if it existed before; set by what connects.
    :ivar busy: True if the service listens, and its backlog is full.
    """

    def __init__(self, reason: ServiceError, *, absent: bool = False, busy: bool = False) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.absent = absent
        self.known = False
        self.busy = busy


UNKNOWN_HOST: Final = "?"


class ConnectionLost(Exception):
    """The connection ended before the reply: the action may have run, or not.

    :ivar host: the host that may have run it; empty for this one, ``UNKNOWN_HOST`` for one that is not known.
    """

    def __init__(self, host: str = "") -> None:
        super().__init__()
        self.host = host


AttemptFailed = ConnectAttemptFailed | ConnectionLost | ServiceError


def error_for_caller(problem: AttemptFailed) -> ServiceError:
    """The error that the caller gets for a failed attempt, if there is no further one."""
    if isinstance(problem, ConnectAttemptFailed):
        return problem.reason
    if isinstance(problem, ConnectionLost):
        return error_from(
            Unavailable.code, "the connection was closed before the reply: the action may have run"
        )
    return problem
