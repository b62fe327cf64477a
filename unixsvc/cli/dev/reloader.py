"""Watches the code, and reloads the services whose code has changed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from msgspec import Struct

from unixsvc.cli.dev.code_map import CodeMap
from unixsvc.cli.dev.log_printer import LogPrinter
from unixsvc.errors import ConfigError, ServiceError

__all__ = ["Reloader", "Watch", "watch_files"]

Watch = Callable[[CodeMap, threading.Event], Iterable[AbstractSet[str]]]

# A burst of changes ends when nothing has changed for this time, in milliseconds.
_PAUSE: Final = 50
# Installed packages change when others are installed.
_INSTALLED: Final = ("site-packages", "dist-packages")
# Errors of the control API, which the orchestrator has logged.
_REFUSED: Final = range(400, 500)


def watch_files(code: CodeMap, stop: threading.Event) -> Iterable[AbstractSet[str]]:
    """Bursts of changed Python and configuration files.

    What changes while a burst is handled is the next burst.

    :param stop: ends the watch.
    """
    from watchfiles import Change, DefaultFilter, watch

    ignored = DefaultFilter(ignore_dirs=[*DefaultFilter.ignore_dirs, *_INSTALLED])

    def is_code(change: Change, path: str) -> bool:
        if not ignored(change, path):
            return False
        if path.endswith(".py") or os.path.realpath(path) in code.config:
            return True
        # A folder that was moved here has no events of its files.
        return change is Change.added and os.path.isdir(path) and any(Path(path).rglob("*.py"))

    for changes in watch(
        *code.watched, watch_filter=is_code, step=_PAUSE, stop_event=stop, raise_interrupt=False
    ):
        yield {os.path.realpath(path) for _, path in changes}


class Events(Struct, frozen=True):
    """The state of the orchestrator.

    :ivar ready: its services have started, or it has exited.
    :ivar stop: it stops or has exited.
    """

    ready: threading.Event
    stop: threading.Event


class Reloader:
    """Reloads services after each burst of changes; runs in a thread of its own.

    :param find_code: reads the configuration and finds the code of its services.
    :param reload: reloads a service, or all of them if the name is empty; returns when the new code serves.
    """

    def __init__(
        self,
        find_code: Callable[[], CodeMap],
        reload: Callable[[str], object],
        printer: LogPrinter,
        events: Events,
        watch: Watch = watch_files,
    ) -> None:
        self._find_code = find_code
        self._reload = reload
        self._printer = printer
        self._events = events
        self._watch = watch

    def run(self, code: CodeMap) -> None:
        """Watch until the orchestrator stops."""
        try:
            while not self._events.stop.is_set():
                code = self._run(code)
        except (OSError, RuntimeError) as error:  # as for the limit of inotify(7)
            self._printer.say(f"files are not watched any more: {error}", level="error")

    def _run(self, code: CodeMap) -> CodeMap:
        """Watch the folders of the services.

        :returns: the code of the services, when other folders must be watched or the orchestrator stops.
        """
        watched = code.watched
        for changed in self._watch(code, self._events.stop):
            self._events.ready.wait()
            if self._events.stop.is_set():
                break
            self.handle(code, changed)
            if not changed.isdisjoint(code.config):
                with suppress(ConfigError):  # the reload has said so
                    code = self._find_code()
                if code.watched != watched:
                    break
        return code

    def handle(self, code: CodeMap, changed: AbstractSet[str]) -> None:
        """Reload the services whose code has changed."""
        names = code.affected(changed)
        if not names:
            return
        forget_bytecode(changed)
        self._printer.say(f"{_describe(changed)} changed")
        for name in names:
            started = time.monotonic()
            try:
                self._reload(name)
            except ServiceError as error:
                if error.code not in _REFUSED and not self._events.stop.is_set():
                    self._printer.say(str(error), level="error")
            else:
                seconds = time.monotonic() - started
                self._printer.say(f"the new code of {name or 'all services'} serves after {seconds:.1f} s")


def forget_bytecode(changed: AbstractSet[str]) -> None:
    """Remove the compiled files of changed modules.

    Python takes them for current if a file is saved twice within a second with the same size. Workers write
    none in this second, but other programs do, such as a test runner.
    """
    for path in changed:
        if path.endswith(".py"):
            with suppress(OSError, NotImplementedError):
                os.unlink(cache_from_source(path))


def _describe(changed: AbstractSet[str]) -> str:
    first = os.path.relpath(min(changed))
    return first if len(changed) == 1 else f"{first} and {len(changed) - 1} more"
