"""What systemd passes to this process: the notify socket, the watchdog time and listening sockets.

The protocols are those of sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Final

from msgspec import Struct

from unixsvc.config.settings import HTTP_SERVICE
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.systemd.notify import Notifier

__all__ = ["Activation", "restore", "take"]

_NUMBER = re.compile("[0-9]{1,18}")
_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START
_HTTP_FAMILIES: Final = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
_UNNAMED: Final = ("", "unknown")  # sd_listen_fds_with_names(3) names a socket without a name "unknown"


class Activation(Struct, frozen=True):
    """What systemd has passed.

    :ivar notifier: sends the state of this process to systemd.
    :ivar watchdog: systemd kills this process if it gets no watchdog message for this time, in seconds; None
        if it has no watchdog.
    :ivar sockets: listening sockets, by service; a gateway may have several.
    """

    notifier: Notifier
    watchdog: float | None
    sockets: dict[str, list[socket.socket]]


def take(environ: MutableMapping[str, str], pid: int, first: int = _FIRST_FD) -> Activation:
    """Read systemd's variables, and remove them so that no child process uses them.

    :param pid: our process id; variables for another process are only removed.
    :param first: the first descriptor that may have been passed.
    :raises ConfigError: if a socket has no name of its own, or is not a listening Unix socket; those of
        gateways may be TCP sockets, and several with one name. The sockets before it are closed then.
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    period = environ.pop("WATCHDOG_USEC", "0")
    watchdog_pid = environ.pop("WATCHDOG_PID", str(pid))
    listen_pid = environ.pop("LISTEN_PID", "0")
    count = environ.pop("LISTEN_FDS", "0")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    watchdog, sockets = None, {}
    if _number("WATCHDOG_PID", watchdog_pid) == pid:
        watchdog = _number("WATCHDOG_USEC", period) / 1e6 or None
    if _number("LISTEN_PID", listen_pid) == pid:
        sockets = _adopt_all(first, _number("LISTEN_FDS", count), names)
    return Activation(Notifier(address), watchdog, sockets)


def restore(environ: MutableMapping[str, str]) -> None:
    """Restore ``LISTEN_PID`` and ``LISTEN_FDS``, which Twisted's endpoints remove when they are imported.

    The kernel keeps the environment that the process was started with, see proc(5).
    """
    with open("/proc/self/environ", "rb") as file:
        pairs = (variable.partition(b"=") for variable in file.read().split(b"\0"))
        original = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        if name in original:
            environ.setdefault(name, original[name])


def _adopt_all(first: int, count: int, names: list[str]) -> dict[str, list[socket.socket]]:
    sockets: dict[str, list[socket.socket]] = {}
    with ExitStack() as adopted:
        for index in range(count):
            name = names[index] if index < len(names) else ""
            if name in _UNNAMED or (name in sockets and not _is_gateway(name)):
                raise ConfigError(
                    f"socket {index + 1} of systemd",
                    f"another is called {name!r} too" if name in sockets else "has no name",
                    "give each service a .socket unit of its own, with FileDescriptorName=SERVICE",
                )
            sockets.setdefault(name, []).append(adopted.enter_context(_adopt(first + index, name)))
        adopted.pop_all()
    return sockets


def _is_gateway(name: str) -> bool:
    """Whether the service may be a gateway; the configuration, which says so, is checked later."""
    return name == HTTP_SERVICE or name.startswith(f"{HTTP_SERVICE}-")


def _adopt(descriptor: int, name: str) -> socket.socket:
    try:
        adopted = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unusable(name, f"is not a socket: {error.strerror}") from None
    families = _HTTP_FAMILIES if _is_gateway(name) else (socket.AF_UNIX,)
    is_stream = adopted.family in families and adopted.type == socket.SOCK_STREAM
    if not is_stream or not adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        adopted.close()
        raise _unusable(name, "is not a listening Unix stream socket")
    adopted.set_inheritable(False)
    adopted.setblocking(False)
    return adopted


def _unusable(name: str, problem: str) -> ConfigError:
    remedy = "write ListenStream=/path in its .socket unit, and no Accept=yes"
    return ConfigError(f"socket {name!r} of systemd", problem, remedy)


def _number(variable: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ConfigError(variable, f"is not a number: {text!r}", "only systemd should set it")
    return int(text)
