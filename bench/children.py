"""The processes that are measured: they end, by their pids, with whoever has started them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["Broken", "Child", "Children", "answers_at", "free_port"]

_PATIENCE = 30.0  # seconds; only ever waited for when something is broken
_LOOK = 0.01

Address = str | tuple[str, int]


class Broken(Exception):
    """Something does not do what is to be measured.

    :param problem: what is wrong, in words.
    """


class Child:
    """One process, and its log.

    :ivar folder: where it runs.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self._name = name
        self._asked = False
        self._log = folder / f"{name}.log"
        # What is imported here is what is imported there, from whatever folder.
        path = os.pathsep.join(os.path.abspath(each) for each in sys.path)
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own commands
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": path, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours, and its descendants can be found
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def until(self, done: Callable[[], object]) -> None:
        """Wait for something that it brings about.

        :raises Broken: with its log, if it ends before, or takes too long.
        """
        deadline = time.monotonic() + _PATIENCE
        while not done():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                what = "is not ready in time" if code is None else f"has ended with {code}"
                raise Broken(f"{self._name} {what}; its log:\n{self.log}")
            time.sleep(_LOOK)

    def wait(self, seconds: float) -> str:
        """Wait until it has ended well, and give what it has written.

        :raises Broken: with its log, if it does not.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.wait(seconds) == 0:
                return self.log
        raise Broken(f"{self._name} did not end well; its log:\n{self.log}")

    def terminate(self) -> None:
        """Ask it to end; once, as a second time means something else to some."""
        if not self._asked:
            self._asked = True
            self._process.terminate()

    def end(self) -> None:
        """End it, and what it has started."""
        if self._process.poll() is None:
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
        with contextlib.suppress(ProcessLookupError):  # the session is its own: it has its number
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Children:
    """All processes; they are ended when it is left.

    :param folder: each has one of its own in there.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._all: list[Child] = []

    def folder(self, name: str) -> Path:
        """A folder that is not there yet, made now."""
        made = self._folder / f"{len(list(self._folder.iterdir()))}-{name}"
        made.mkdir()
        return made

    def start(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start one."""
        with _undisturbed():  # one that is started, and not noted, would stay
            child = Child(name, command, folder, environment or {})
            self._all.append(child)
        return child

    def end(self, child: Child) -> None:
        """End one before its time."""
        self._all.remove(child)
        child.end()

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _undisturbed():
            for each in self._all:  # at once, so that they need not wait for each other
                each.terminate()
            for each in self._all:
                each.end()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """What would end us waits until this is left."""
    waiting: list[int] = []
    before = {
        number: signal.signal(number, lambda came, frame: waiting.append(came))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for came in waiting:
            signal.raise_signal(came)


def answers_at(address: Address) -> bool:
    """Whether anybody listens there."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        try:
            trial.connect(address)
        except OSError:
            return False
    return True


def free_port() -> int:
    """A TCP port that nobody listens at."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
