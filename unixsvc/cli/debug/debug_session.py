"""One run of ``unixsvc debug``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Final

import click
import msgspec
from msgspec import Raw, Struct

from unixsvc.cli.debug.terminal import PseudoTerminal
from unixsvc.cli.session import Session
from unixsvc.config.settings import CONTROL_SERVICE
from unixsvc.errors import Conflict
from unixsvc.socket_directory import socket_path

__all__ = ["DebugSession"]

# For how long a session may last, in seconds: the maximum of a timeout stands for no limit.
_TIMEOUT: Final = 1e6
_INTERRUPT: Final = b"\x03"  # Ctrl-C
# Environment variables that the worker gets: about the terminal, and which debugger is wanted.
_VARIABLES: Final = ("COLORTERM", "NO_COLOR", "PYTHON_COLORS", "TERM")
_DEBUGGER: Final = "PYTHONBREAKPOINT"


class _Event(Struct, frozen=True):
    state: str = ""
    pid: int | None = None
    problem: str = ""


class DebugSession:
    """Lends this terminal to a worker until its end."""

    def __init__(self, session: Session, service: str) -> None:
        self._session = session
        self._service = service
        self._terminal = PseudoTerminal()
        self._ended, self._end = os.pipe()
        self._state = ""
        self._problem = ""
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run until the worker has ended.

        :raises ServiceError: if there is no such session, or if the worker has failed.
        """
        data = self._data()
        follower = threading.Thread(target=self._follow, args=(data,), name="session", daemon=True)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _exit)
        with self._terminal.connected():
            follower.start()
            self._terminal.relay(self._ended, self._on_keys)
        if self._error is not None:
            raise self._error
        if self._problem:
            raise Conflict(f"{self._service}: the debug session has ended: {self._problem}")
        self._say("the debug session has ended")

    def _data(self) -> Raw:
        """The data of the request."""
        if os.geteuid() == 0:
            with suppress(FileNotFoundError):  # nothing runs, which the request reports
                control = os.stat(socket_path(self._session.directory, CONTROL_SERVICE))
                self._terminal.give_to(control.st_uid)
        stat = self._terminal.stat()
        # An empty one is the default, whatever the orchestrator has.
        variables = {_DEBUGGER: os.environ.get(_DEBUGGER, "")}
        variables |= {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        terminal = {
            "path": self._terminal.path,
            "device": stat.st_dev,
            "inode": stat.st_ino,
            "variables": variables,
        }
        return Raw(msgspec.json.encode({"service": self._service, "terminal": terminal}))

    def _follow(self, data: Raw) -> None:
        """Read the events of the session; runs in a thread."""
        try:
            self._session.request(
                CONTROL_SERVICE,
                "/debug",
                method="POST",
                data=data,
                timeout=_TIMEOUT,
                on_item=self._on_event,
            )
        except Exception as error:  # for the main thread
            self._error = error
        finally:
            os.close(self._end)

    def _on_event(self, item: Raw) -> None:
        event = msgspec.json.decode(item, type=_Event)
        self._state, self._problem = event.state, event.problem
        if event.state == "ready":
            self._say(f"its only worker (pid {event.pid}) has this terminal; Ctrl-C ends it")
        elif event.state == "draining":
            self._say("draining, then its usual workers serve again")

    def _on_keys(self, keys: bytes) -> None:
        if _INTERRUPT in keys and not self._state:  # there is no worker yet that the key would end
            raise click.Abort

    def _say(self, text: str) -> None:
        os.write(2, f"\r\nunixsvc: {self._service}: {text}\r\n".encode())  # perhaps below "^C"


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
