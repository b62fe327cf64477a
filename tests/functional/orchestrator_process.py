"""Runs the real ``twistd unixsvc`` in a temporary folder."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from twisted.trial.unittest import SynchronousTestCase

from tests.functional.cli_process import Outcome as CommandOutcome
from tests.functional.cli_process import outcome_of, start_command
from tests.functional.load_harness import Load, Outcome
from tests.functional.raw_client import RawConnection

__all__ = ["OrchestratorProcess", "OrchestratorTestCase", "full"]

_TIMEOUT = 30.0  # seconds; only reached if something is broken
# Workers of other users have it as well: they keep what begins like this.
_MARK = "PYTHON_ORCHESTRATOR"
_numbers = itertools.count()
_APPS = Path(__file__).with_name("apps")


def full() -> bool:
    """Whether tests run as long as necessary, instead of as short as possible."""
    return bool(os.environ.get("UNIXSVC_FULL"))


class OrchestratorProcess:
    """One orchestrator, with a mark in its environment, so that processes that it leaves behind can be found.

    :param folder: the folder of its configuration.
    :param arguments: for ``twistd unixsvc``.
    :param stdin: its standard input.
    :param environment: environment variables in addition to our own.
    :param passed_sockets: sockets that it gets as descriptors 3, 4, ….
    :ivar log: every event that it has logged so far.
    :ivar errors: its standard error; complete after :meth:`wait`.
    """

    def __init__(
        self,
        folder: str,
        *arguments: str,
        stdin: int = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
        passed_sockets: Sequence[socket.socket] = (),
    ) -> None:
        self.folder = folder
        self.log: list[dict[str, Any]] = []
        self.errors = ""
        self._news = threading.Condition()
        self._mark = {_MARK: f"{os.getpid()}.{next(_numbers)}"}
        self._reads_log = threading.Event()
        self._reads_log.set()
        command = [str(Path(sys.executable).with_name("twistd")), "-n", "unixsvc", "--log-format", "json"]
        if passed_sockets:
            # As systemd does: from 3 on, with the LISTEN_PID of the process that gets them. They are moved to
            # high numbers first, so that none overwrites another.
            free = max(each.fileno() for each in passed_sockets) + 50
            moved = [
                f"{at}<&{each.fileno()} {each.fileno()}<&-" for at, each in enumerate(passed_sockets, free)
            ]
            back = [f"{3 + at}<&{free + at} {free + at}<&-" for at, _ in enumerate(passed_sockets)]
            script = f'exec {" ".join(moved + back)}; export LISTEN_PID=$$; exec "$@"'
            command = ["bash", "-c", script, "bash", *command]
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "SPT_NOENV": "1",  # else setproctitle overwrites the mark
                **self._mark,
                **(environment or {}),
            },
            stdin=stdin,
            pass_fds=[each.fileno() for each in passed_sockets],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._readers = [threading.Thread(target=each) for each in (self._read_log, self._read_errors)]
        for each in self._readers:
            each.start()

    def until(self, *words: str, times: int = 1) -> dict[str, Any]:
        """Wait for an event whose message contains all words, that number of times; the last one."""
        deadline = time.monotonic() + _TIMEOUT
        with self._news:
            while True:
                found = self.logged(*words)
                if len(found) >= times:
                    return found[-1]
                if self.process.poll() is not None or not self._news.wait(deadline - time.monotonic()):
                    last = [each["message"][:200] for each in self.log[-50:]]
                    raise AssertionError(f"never logged {words}: {last} {self.errors}")

    def logged(self, *words: str) -> list[dict[str, Any]]:
        """The events so far whose message contains all words."""
        return [each for each in list(self.log) if all(word in each["message"] for word in words)]

    def stop_reading_log(self) -> None:
        """Leave its log in the pipe, which soon is full."""
        self._reads_log.clear()

    def read_log(self) -> None:
        """Go on reading its log."""
        self._reads_log.set()

    def signal(self, number: int) -> None:
        """Send a signal to the orchestrator only."""
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """Send INT to its process group, as Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self) -> int:
        """Wait for the exit; its code."""
        code = self.process.wait(_TIMEOUT)
        self.read_log()
        for each in self._readers:
            each.join(_TIMEOUT)
        return code

    def left(self) -> list[str]:
        """The names of its workers, and of the programs that they have started, that still run."""
        found = []
        for process in self._others():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(" ".join(process.cmdline()).strip() or str(process.pid))
        return found

    def _others(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != self.process.pid and self._mark.items() <= process.environ().items():
                    yield process

    def end(self) -> None:
        """Kill it, its workers, and the programs that they have started."""
        if self.process.poll() is None:
            self.process.kill()
        for process in self._others():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read_log(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._reads_log.wait()
            with self._news:
                self.log.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()


class OrchestratorTestCase(SynchronousTestCase):
    """A test with a folder with a configuration; all processes end with the test.

    :cvar config: the configuration; its applications are those of ``tests/functional/apps``.
    """

    config = '[services.codes]\napp = "codes:app"\n'
    _slowness = 1.0  # how many times a second the start of the orchestrator took, at least once

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, self.folder)
        for each in _APPS.glob("*.py"):
            shutil.copy(each, self.folder)
        self.configure(self.config)

    def configure(self, text: str) -> None:
        """Write the configuration."""
        Path(self.folder, "unixsvc.toml").write_text('socket_dir = "run"\n' + text)

    def start(self, *arguments: str, ready: bool = True, **options: Any) -> OrchestratorProcess:
        """Start an orchestrator there.

        :param ready: whether to wait until it says that all its services are.
        :param options: of :class:`OrchestratorProcess`.
        """
        started = time.monotonic()
        running = OrchestratorProcess(self.folder, *arguments, **options)
        self.addCleanup(running.end)
        if ready:
            running.until("ready: ")
            self._slowness = max(1.0, time.monotonic() - started)
        return running

    def on_busy_machine(self, seconds: float) -> float:
        """A time limit, longer in proportion where the start of the orchestrator took more than a second."""
        return seconds * self._slowness

    def token(self) -> str:
        """The token that the orchestrator has created."""
        return Path(self.folder, ".auth_token").read_text().strip()

    def path(self, service: str = "codes") -> str:
        """The socket path of a service."""
        return os.path.join(self.folder, "run", f"service_{service}.sock")

    def talk(self, service: str = "codes", *, token: bool = True) -> RawConnection:
        """Connect to a service."""
        talk = RawConnection(self.path(service), self.token() if token else None)
        self.addCleanup(talk.close)
        return talk

    def ask(self, service: str, path: str, **message: Any) -> Any:
        """Call a service on a new connection; the data of its reply."""
        with self.talk(service) as talk:
            return talk.ask(id=1, path=path, **message)["data"]

    def load(self, service: str = "codes", connections: int = 20, **options: Any) -> Load:
        """Clients that ask a service without a pause; it runs when they do.

        :param options: of :class:`Load`.
        """
        load = Load(self.path(service), self.token(), connections, **options)
        self.addCleanup(load.end)
        load.started(50)
        return load

    def assert_no_call_lost(self, load: Load) -> Outcome:
        """Stop the load; assert that there were many calls and that all were answered."""
        load.further(50)
        outcome = load.stop()
        self.assertEqual((outcome.failures, outcome.failed[:1]), (0, []))
        return outcome

    def command(self, *arguments: str) -> CommandOutcome:
        """Run ``unixsvc`` in the folder."""
        return outcome_of(start_command(self.folder, *arguments))

    def assertDone(self, *arguments: str) -> None:
        """The command exits with 0 and writes nothing to standard error."""
        done = self.command(*arguments)
        self.assertEqual((done.code, done.err), (0, ""))

    def assertRefuses(self, code: int, arguments: Sequence[str], *words: str) -> None:
        """The command exits with a code and one line that contains these words."""
        done = self.command(*arguments)
        self.assertEqual((done.code, done.err.count("\n")), (code, 1), done.err)
        for word in words:
            self.assertIn(word, done.err)

    def record_value(self, text: str) -> None:
        """Write a measurement to the file that the variable UNIXSVC_FIGURES names, if any."""
        path = os.environ.get("UNIXSVC_FIGURES")
        if path:
            with open(path, "a") as file:
                file.write(f"{self.id()}: {text}\n")

    def status(self, service: str = "codes") -> Any:
        """The status of a service."""
        return self.ask("orchestrator", "/status")[service]

    def worker_pids(self, service: str = "codes") -> list[int]:
        """The pids of the ready workers."""
        workers = self.status(service)["workers"]
        # One that has just died has no pid any more, before its end is noted.
        return [each["pid"] for each in workers if each["status"] == "ready" and each["pid"]]

    def eventually(self, test: Callable[[], object], seconds: float = _TIMEOUT) -> None:
        """Wait until a condition holds; fail if it does not in time."""
        deadline = time.monotonic() + seconds
        while not test():
            if time.monotonic() > deadline:
                self.fail("the condition did not hold in time")
            time.sleep(0.01)
