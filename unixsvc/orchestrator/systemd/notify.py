"""The notify protocol of systemd, see sd_notify(3)."""

from __future__ import annotations

import socket
import time

from twisted.logger import Logger

from unixsvc.errors import ConfigError
from unixsvc.socket_directory import check_socket_path

__all__ = ["Notifier"]

_log = Logger()


class Notifier:
    """Sends the state of this process to systemd. It never blocks, and its errors stop nothing.

    :param address: the path of systemd's socket, or ``@`` and an abstract name; empty if there is none, and
        then nothing is sent and the notifier is false.
    """

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._failed = False

    def __bool__(self) -> bool:
        return bool(self._address)

    def send(self, *assignments: str) -> None:
        """Send assignments, as ``READY=1``, in one datagram."""
        if not self:
            return
        try:
            if not self._address.startswith("\0"):
                check_socket_path(self._address)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                payload = "\n".join(assignments).encode("utf-8", "replace")
                sender.sendto(payload, socket.MSG_DONTWAIT, self._address)
        except (OSError, ConfigError) as error:
            if not self._failed:  # once: watchdog messages would fill the log
                _log.warn("cannot notify systemd: {error}", error=error)
            self._failed = True

    def ready(self, status: str) -> None:
        """Notify that the start or a reload is complete.

        :param status: as for :meth:`status`.
        """
        self.send("READY=1", _status(status))

    def reloading(self) -> None:
        """Notify that a reload has begun; :meth:`ready` ends it."""
        # The time lets systemd match this message with its own request to reload.
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Notify that the process stops."""
        self.send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the text that ``systemctl status`` shows."""
        self.send(_status(text))

    def alive(self) -> None:
        """Reset the watchdog."""
        self.send("WATCHDOG=1")


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.splitlines())}"
