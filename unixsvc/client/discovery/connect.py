"""Connecting to the Unix socket of a service, for all clients."""

from __future__ import annotations

import errno
import os
import socket

import msgspec

from unixsvc.client.discovery.location import ServiceLocation
from unixsvc.client.errors import BacklogFull, ConnectAttemptFailed, ServiceUnreachable
from unixsvc.config.settings import CONTROL_SERVICE, NATS_SERVICE
from unixsvc.socket_directory import is_owned_by, service_names, socket_path
from unixsvc.transport.credentials import credentials_of

__all__ = ["connect", "connect_through_relay", "connect_to_path", "is_listening"]


def connect(socket_dir: str, service: str) -> socket.socket:
    """Connect to a service without blocking; a Unix socket connects at once or not at all.

    :returns: a non-blocking socket whose peer is allowed to see the token.
    :raises ConnectAttemptFailed: if a later attempt may succeed: no process listens, or the backlog is full.
    :raises ServiceUnreachable: if permissions forbid it, or another user listens, who must not see the token.
    """
    try:
        return connect_to_path(socket_path(socket_dir, service))
    except ConnectAttemptFailed as error:
        if not error.absent:
            raise
        others = ", ".join(service_names(socket_dir)) or "none"
        problem = f"there is no service {service!r}; there are: {others}"
        raise ConnectAttemptFailed(
            ServiceUnreachable(socket_dir, problem, "see: unixsvc ls"), absent=True
        ) from None


def connect_to_path(path: str) -> socket.socket:
    """Connect to the socket with this path; see :func:`connect`."""
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    except OSError as error:  # usually: too many open files
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


def connect_through_relay(location: ServiceLocation, token: str | None, service: str) -> socket.socket | None:
    """Connect to a service of another host, by the service ``nats`` of this one.

    :param token: for the service ``nats``; it does not leave this host.
    :returns: None if this host is in no cluster.
    """
    path = socket_path(location.socket_dir, NATS_SERVICE)
    if service in (NATS_SERVICE, CONTROL_SERVICE) or not os.path.exists(path):
        return None
    try:
        connection = connect_to_path(path)
    except (ConnectAttemptFailed, ServiceUnreachable):
        return None
    line = {"to": service} if token is None else {"to": service, "auth_token": token}
    connection.send(msgspec.json.encode(line) + b"\n")  # an empty buffer takes a short line at once
    return connection


def is_listening(path: str) -> bool:
    """True if a process listens on a socket; also if permissions or a full backlog prevent connecting."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(path)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:
            return False
    return True


def _connect(connection: socket.socket, path: str) -> None:
    try:
        connection.connect(path)
    except FileNotFoundError:
        reason = ServiceUnreachable(path, "the socket does not exist", "see what runs: unixsvc ls")
        raise ConnectAttemptFailed(reason, absent=True) from None
    except ConnectionRefusedError:
        raise ConnectAttemptFailed(
            ServiceUnreachable(path, "no process listens", "start it with: twistd -n unixsvc")
        ) from None
    except PermissionError:
        remedy = "run as the user of the orchestrator; to call services, its group is enough"
        raise ServiceUnreachable(path, "permission to connect is denied", remedy) from None
    except BlockingIOError as error:  # EAGAIN; there is no event when the backlog has room again
        full = BacklogFull(path, f"the backlog is full: {error.strerror}", "see its log")
        raise ConnectAttemptFailed(full, busy=True) from None
    except OSError as error:
        busy = error.errno in (errno.EMFILE, errno.ENFILE)
        reason = ServiceUnreachable(path, f"cannot be reached: {error.strerror}", "see its log")
        raise ConnectAttemptFailed(reason, busy=True) if busy else reason from None


def _check_owner(connection: socket.socket, path: str) -> None:
    uid = credentials_of(connection).uid
    if uid not in (os.geteuid(), 0) and not is_owned_by(path, os.geteuid()):
        problem = f"another user listens there (uid {uid}), and must not see the token"
        raise ServiceUnreachable(path, problem, "run as that user")
