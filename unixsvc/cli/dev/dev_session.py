"""One run of ``unixsvc dev``: the orchestrator, its log and the watch."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Raw

from unixsvc.cli.dev.code_map import CodeMap, make_code_map
from unixsvc.cli.dev.log_printer import LogPrinter
from unixsvc.cli.dev.process import DevProcess
from unixsvc.cli.dev.reloader import Events, Reloader
from unixsvc.cli.session import Session
from unixsvc.config.http import NEEDS_CERTIFICATE
from unixsvc.config.loader import load_settings
from unixsvc.config.settings import CONTROL_SERVICE, Settings
from unixsvc.errors import ConfigError
from unixsvc.socket_directory import socket_path
from unixsvc.telemetry.log_record import LogRecord

__all__ = ["DevSession"]

# The timeouts of the services limit how long a reload takes, as for "unixsvc reload".
_TIMEOUT: Final = 86_400.0
_LISTENS: Final = "listens on "
_READY: Final = "ready: "


class DevSession:
    """One run of ``unixsvc dev``.

    :param http: whether HTTP is served.
    :raises ConfigError: if the configuration is wrong.
    """

    def __init__(self, session: Session, *, http: bool) -> None:
        self._session = session
        self._http: tuple[str, ...] | None = None if http else ()
        self._settings = self._load()
        self._events = Events(threading.Event(), threading.Event())
        self._listening: dict[str, str] = {}  # addresses by gateway
        colour = session.terminal and not os.environ.get("NO_COLOR")
        self._printer = LogPrinter(self._write, list(self._settings.services), colour=colour)

    def run(self, *, reload: bool) -> int:
        """Run until the orchestrator has exited.

        :param reload: whether files are watched.
        :returns: its exit code.
        """
        watcher = self._watcher() if reload else None
        process = DevProcess(self._arguments(), self._events.stop)
        process.handle_signals()
        reader = threading.Thread(target=self._read, args=(process,), name="log", daemon=True)
        reader.start()
        if watcher is not None:
            watcher.start()
        code = process.wait()
        self._events.stop.set()
        self._events.ready.set()
        reader.join()
        return code

    def _watcher(self) -> threading.Thread:
        reloader = Reloader(self._find_code, self._reload, self._printer, self._events)
        return threading.Thread(target=reloader.run, args=(self._find_code(),), name="watch", daemon=True)

    def _arguments(self) -> list[str]:
        """The arguments of ``twistd unixsvc``."""
        found = ["--dev", *(word for each in self._session.config or () for word in ("--config", each))]
        if self._session.socket_dir is not None:
            found += ["--socket-dir", self._session.socket_dir]
        return found if self._http is None else [*found, "--no-http"]

    def _load(self) -> Settings:
        return load_settings(
            self._session.config, socket_dir=self._session.socket_dir, http=self._http, development=True
        )

    def _find_code(self) -> CodeMap:
        return make_code_map(self._load(), sys.path)

    def _reload(self, name: str) -> None:
        with suppress(ConfigError):  # the reload says so
            self._printer.add_services(self._load().services)
        data = Raw(msgspec.json.encode({"service": name}))
        self._session.request(CONTROL_SERVICE, "/reload", method="POST", data=data, timeout=_TIMEOUT)

    def _read(self, process: DevProcess) -> None:
        """Print the log; runs in a thread."""
        for line in process.log:
            try:
                record = self._printer.print_line(line)
            except OSError:  # the terminal or the reader of the pipe has gone
                if not self._events.stop.is_set():
                    process.stop()
                continue
            if record is not None and not self._events.ready.is_set():
                self._observe(record)

    def _observe(self, record: LogRecord) -> None:
        if record.namespace in self._settings.gateways and record.message.startswith(_LISTENS):
            self._listening[record.namespace] = record.message.removeprefix(_LISTENS)
        elif record.namespace == CONTROL_SERVICE and record.message.startswith(_READY):
            for line in _addresses(self._settings, self._listening):
                self._printer.say(line)
            self._events.ready.set()

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _addresses(settings: Settings, listening: Mapping[str, str]) -> Sequence[str]:
    """Where each service can be reached.

    :param listening: the addresses of each gateway.
    """
    lines = []
    for name in settings.services:
        if name not in settings.gateways:
            lines.append(f"{name}: {socket_path(settings.socket_dir, name)}")
    for name, where in listening.items():
        for each in where.split(", "):
            public = each.startswith("http") and not each.endswith(NEEDS_CERTIFICATE)
            docs = settings.gateways[name].docs and public
            lines.append(f"{name}: {each}" + (f", documentation: {each}/docs" if docs else ""))
    return lines
