"""What systemd and we tell each other: how we are, and the sockets that it hands over.

The protocols are those of sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3).
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Final

from msgspec import Struct
from twisted.logger import Logger

from unixsvc.errors import ConfigError

__all__ = ["Activation", "Notifier", "restore", "take"]

_log = Logger()

_NUMBER = re.compile("[0-9]{1,18}")
_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START
_NAMELESS: Final = ("", "unknown")  # the latter is what sd_listen_fds_with_names(3) has for none


class Notifier:
    """Tells systemd how we are. It never waits, and that nobody hears it stops nothing.

    :param address: the path of systemd's socket, or ``@`` and an abstract name; empty if there is none,
        and then nothing is ever told. It is true if there is one.
    """

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._failed = False

    def __bool__(self) -> bool:
        return bool(self._address)

    def send(self, *lines: str) -> None:
        """Send assignments, as ``READY=1``, all at once."""
        if not self:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto("\n".join(lines).encode("utf-8", "replace"), socket.MSG_DONTWAIT, self._address)
        except OSError as error:
            if not self._failed:  # the watchdog's would fill the log
                _log.warn("systemd does not hear us: {error}", error=error)
            self._failed = True

    def ready(self, status: str) -> None:
        """Say that we have started, or reloaded.

        :param status: as for :meth:`status`.
        """
        self.send("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that we reload, until we are ready again."""
        # By the time, systemd knows whether this came before or after it has asked for a reload.
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that we have begun to end."""
        self.send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in words how we are, for ``systemctl status``."""
        self.send(_status(text))

    def alive(self) -> None:
        """Say that we are not stuck."""
        self.send("WATCHDOG=1")


class Activation(Struct, frozen=True):
    """What systemd has given us.

    :ivar notifier: tells it how we are.
    :ivar watchdog: we are killed if it does not hear that we are alive for so many seconds; None if it does
        not listen for that.
    :ivar sockets: those that listen already, by the names of the services that they are for.
    """

    notifier: Notifier
    watchdog: float | None
    sockets: dict[str, socket.socket]


def take(environ: MutableMapping[str, str], pid: int, first: int = _FIRST_FD) -> Activation:
    """Take what systemd has left for us, out of the environment, so that no child takes it for its own.

    :param pid: ours; what was meant for another process is only taken out.
    :param first: the first descriptor that may have been handed over.
    :raises ConfigError: if a socket has no name of its own, or is none that a service can listen on. Those
        before it are closed then.
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    period = environ.pop("WATCHDOG_USEC", "0")
    watched = environ.pop("WATCHDOG_PID", str(pid))
    meant = environ.pop("LISTEN_PID", "0")
    count = environ.pop("LISTEN_FDS", "0")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    watchdog, sockets = None, {}
    if _number("WATCHDOG_PID", watched) == pid:
        watchdog = _number("WATCHDOG_USEC", period) / 1e6 or None
    if _number("LISTEN_PID", meant) == pid:
        sockets = _adopt_all(first, _number("LISTEN_FDS", count), names)
    return Activation(Notifier(address), watchdog, sockets)


def restore(environ: MutableMapping[str, str]) -> None:
    """Put back ``LISTEN_PID`` and ``LISTEN_FDS``, which Twisted's endpoints remove when they are imported.

    They are still in the environment that the kernel has of this process, see proc(5).
    """
    with open("/proc/self/environ", "rb") as file:
        pairs = (each.partition(b"=") for each in file.read().split(b"\0"))
        found = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        if name in found:
            environ.setdefault(name, found[name])


def _adopt_all(first: int, count: int, names: list[str]) -> dict[str, socket.socket]:
    sockets: dict[str, socket.socket] = {}
    with ExitStack() as taken:
        for index in range(count):
            name = names[index] if index < len(names) else ""
            if name in _NAMELESS or name in sockets:
                raise ConfigError(
                    f"socket {index + 1} of systemd",
                    f"another is called {name!r} too" if name in sockets else "has no name",
                    "give each service a .socket unit of its own, with FileDescriptorName=SERVICE",
                )
            sockets[name] = taken.enter_context(_adopt(first + index, name))
        taken.pop_all()
    return sockets


def _adopt(descriptor: int, name: str) -> socket.socket:
    try:
        adopted = socket.socket(fileno=descriptor)
    except OSError as error:
        raise _unfit(name, f"is no socket: {error.strerror}") from None
    unix = (adopted.family, adopted.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
    if not unix or not adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        adopted.close()
        raise _unfit(name, "is no Unix stream socket that listens")
    adopted.set_inheritable(False)
    adopted.setblocking(False)
    return adopted


def _unfit(name: str, problem: str) -> ConfigError:
    remedy = "write ListenStream=/path in its .socket unit, and no Accept=yes"
    return ConfigError(f"socket {name!r} of systemd", problem, remedy)


def _number(variable: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ConfigError(variable, f"is no number: {text!r}", "leave it to systemd to set it")
    return int(text)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.splitlines())}"
