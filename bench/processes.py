"""Child processes of the benchmark: all of them end when the benchmark does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

__all__ = [
    "Address",
    "BenchError",
    "ChildProcess",
    "ProcessGroup",
    "child_environment",
    "free_port",
    "is_listening",
]

_START_TIMEOUT: Final = 30.0  # seconds
_STOP_TIMEOUT: Final = 30.0  # seconds
_POLL_INTERVAL: Final = 0.01  # seconds

Address = str | tuple[str, int]


class BenchError(Exception):
    """The benchmark cannot go on.

    :param problem: what is wrong, in words.
    """


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """These variables, and those of the benchmark with its import path."""
    import_path = os.pathsep.join(os.path.abspath(each) for each in sys.path)
    return {**os.environ, "PYTHONPATH": import_path, **environment}


class ChildProcess:
    """One process and its log file.

    :param name: used for the log file and in error messages.
    :param command: program and arguments.
    :param folder: its working directory.
    :param environment: variables added to those of the benchmark. ``PYTHONPATH`` is the import path of the
        benchmark unless given here.
    :ivar folder: its working directory.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self._name = name
        self._terminated = False
        self._log = folder / f"{name}.log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # commands of the benchmark itself
                command,
                cwd=folder,
                env=child_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the benchmark handles Ctrl-C, and can kill all descendants
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Its output so far."""
        return self._log.read_text(errors="replace")

    def wait_until(self, condition: Callable[[], object], timeout: float = _START_TIMEOUT) -> None:
        """Wait until a condition holds while the process runs.

        :param timeout: in seconds.
        :raises BenchError: with the log, if the process exits first, or on a time-out.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                problem = f"not ready within {timeout:.0f} s" if code is None else f"exited with code {code}"
                raise BenchError(f"{self._name}: {problem}; its log:\n{self.log}")
            time.sleep(_POLL_INTERVAL)

    def wait(self, timeout: float) -> str:
        """Wait for a successful exit.

        :param timeout: in seconds.
        :returns: its output.
        :raises BenchError: with the log, if it fails, or on a time-out.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process.wait(timeout) == 0:
                return self.log
        code = self._process.poll()
        problem = f"still running after {timeout:.0f} s" if code is None else f"exited with code {code}"
        raise BenchError(f"{self._name}: {problem}; its log:\n{self.log}")

    def terminate(self) -> None:
        """Send SIGTERM, once: a second one makes some programs skip their shutdown."""
        if not self._terminated:
            self._terminated = True
            self._process.terminate()

    def stop(self) -> None:
        """Stop the process and all of its descendants."""
        if self._process.poll() is None:
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT)
        with contextlib.suppress(ProcessLookupError):  # its session has its pid as its number
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class ProcessGroup:
    """All child processes; leaving the context stops them.

    :param folder: each process gets a folder of its own in it.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._children: list[ChildProcess] = []

    def new_folder(self, name: str) -> Path:
        """Create an empty folder."""
        created = self._folder / f"{len(list(self._folder.iterdir()))}-{name}"
        created.mkdir()
        return created

    def start(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> ChildProcess:
        """Start a process; arguments as of :class:`ChildProcess`."""
        with _signals_deferred():  # a child that is started but not recorded would be left behind
            child = ChildProcess(name, command, folder, environment or {})
            self._children.append(child)
        return child

    def stop(self, child: ChildProcess) -> None:
        """Stop one process early."""
        self._children.remove(child)
        child.stop()

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _signals_deferred():
            for each in self._children:  # all at once, so that they shut down in parallel
                each.terminate()
            for each in self._children:
                each.stop()


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM only after the block; only the main thread can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, frame: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for each in received:
            signal.raise_signal(each)


def is_listening(address: Address) -> bool:
    """Whether a connection to the address succeeds."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        try:
            client.connect(address)
        except OSError:
            return False
    return True


def free_port() -> int:
    """An unused TCP port on 127.0.0.1."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
