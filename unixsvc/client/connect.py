"""Connecting to a service: the one way that all clients take."""

from __future__ import annotations

import errno
import os
import socket

from unixsvc.errors import ServiceError, Unavailable
from unixsvc.socket_directory import is_owned_by, service_names, socket_path
from unixsvc.transport.credentials import credentials_of

__all__ = ["ConnectAttemptFailed", "ServiceUnreachable", "connect", "connect_to_path"]


class ServiceUnreachable(Unavailable):
    """A service cannot be asked at all, and will not be for as long as nobody does something about it.

    :param where: its socket, or the directory of sockets.
    :param problem: what is wrong.
    :param remedy: what to do.
    """

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        ServiceError.__init__(self, f"{where}: {problem}; {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return str(self.detail)


class ConnectAttemptFailed(Exception):
    """A service could not be asked this time, and has seen nothing of the call.

    :param reason: what a caller is told if there is no other time.
    :ivar absent: whether there was no socket at all: it may be a name that nobody ever had.
    :ivar busy: whether it is there, and only has no time.
    """

    def __init__(self, reason: ServiceError, *, absent: bool = False, busy: bool = False) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.absent = absent
        self.busy = busy


def connect(socket_dir: str, service: str) -> socket.socket:
    """Connect, without waiting; a Unix socket is connected at once or not at all.

    :returns: connected, and not blocking; the token may be shown to whoever is at the other end.
    :raises Unreached: if it may be otherwise soon: nobody listens, or more wait to be accepted than may.
    :raises Unreachable: if we may not, or if somebody listens who must not see the token.
    """
    try:
        return connect_to_path(socket_path(socket_dir, service))
    except ConnectAttemptFailed as error:
        if not error.absent:
            raise
        there = ", ".join(service_names(socket_dir)) or "none"
        problem = f"there is no service {service!r}; there are: {there}"
        raise ConnectAttemptFailed(
            ServiceUnreachable(socket_dir, problem, "see: unixsvc ls"), absent=True
        ) from None


def connect_to_path(path: str) -> socket.socket:
    """Connect likewise to a socket whose path is known."""
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    except OSError as error:  # too many open files, as a rule
        reason = ServiceUnreachable(
            path, f"cannot be reached: {error.strerror}", "raise the limit: ulimit -n"
        )
        raise ConnectAttemptFailed(reason) from None
    try:
        connection.setblocking(False)
        _connect(connection, path)
        _check_owner(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(connection: socket.socket, path: str) -> None:
    try:
        connection.connect(path)
    except FileNotFoundError:
        reason = ServiceUnreachable(path, "there is no such socket", "see what runs: unixsvc ls")
        raise ConnectAttemptFailed(reason, absent=True) from None
    except ConnectionRefusedError:
        raise ConnectAttemptFailed(
            ServiceUnreachable(path, "nobody listens", "start it with: twistd -n unixsvc")
        ) from None
    except PermissionError:
        remedy = "run as the user of the orchestrator, or in its group"
        raise ServiceUnreachable(path, "you may not connect", remedy) from None
    except OSError as error:
        # EAGAIN: the queue of those who wait to be accepted is full, and nothing tells when it no longer is.
        busy = error.errno in (errno.EAGAIN, errno.EMFILE, errno.ENFILE)
        reason = ServiceUnreachable(path, f"cannot be reached: {error.strerror}", "see its log")
        raise ConnectAttemptFailed(reason, busy=True) if busy else reason from None


def _check_owner(connection: socket.socket, path: str) -> None:
    uid = credentials_of(connection).uid
    if uid not in (os.geteuid(), 0) and not is_owned_by(path, os.geteuid()):
        problem = f"another user listens there (uid {uid}), who must not see the token"
        raise ServiceUnreachable(path, problem, "run as that user")
