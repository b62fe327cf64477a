"""A real orchestrator, with the services of a configuration, for tests."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Final, Self, TypedDict, Unpack

import psutil

from unixsvc.client.base import ClientOptions
from unixsvc.client.blocking.client import Client
from unixsvc.config.file import HttpTable
from unixsvc.domain.json import Json

__all__ = ["ProcessFactory", "ProcessOptions", "ServiceProcess", "StartFailed"]

_TOKEN: Final = "0" * 64
_QUIET: Final = 0.05  # seconds in which events that are on their way arrive
# The orchestrator. Linux ends it with the thread that has started it (PR_SET_PDEATHSIG is 1), so only the
# main thread asks for that.
_PROGRAM: Final = "from twisted.scripts.twistd import run; run()"
_DIES_WITH_PARENT: Final = f"import ctypes; ctypes.CDLL(None).prctl(1, {signal.SIGTERM:d}); "


class StartFailed(RuntimeError):
    """The orchestrator has not become ready; the message is its own."""


class ProcessOptions(TypedDict, total=False):
    """The options of :class:`ServiceProcess`."""

    toml: str | None
    folder: str | os.PathLike[str]
    environment: Mapping[str, str] | None
    timeout: float


class ServiceProcess:
    """An orchestrator with a socket directory of its own; a context manager that stops it.

    It is ready when it is made. Its HTTP gateway, if any, listens on a free port of the loopback interface.

    :param config: the path of the configuration, relative to ``folder``.
    :param toml: a configuration in place of the file. Its relative paths are those of a temporary folder.
    :param folder: the current directory of the orchestrator.
    :param environment: further environment variables, such as ``UNIXSVC_SERVICES__SHOP__WORKERS``.
    :param timeout: the time to start, and the time to stop, in seconds.
    :ivar socket_dir: the socket directory.
    :ivar token: the shared token.
    :ivar pid: the process id of the orchestrator.
    :raises StartFailed: if it cannot start, with the line that it writes, or does not become ready in time.
    """

    token: Final = _TOKEN

    def __init__(
        self,
        config: str | os.PathLike[str] = "unixsvc.toml",
        *,
        toml: str | None = None,
        folder: str | os.PathLike[str] = ".",
        environment: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        __tracebackhide__ = True  # pytest shows the line of the test
        # pytest's folders have paths that are too long for a socket.
        self._temporary = Path(tempfile.mkdtemp(prefix="unixsvc."))
        self._timeout = timeout
        self._clients: list[Client] = []
        self._last_log = ""
        self.socket_dir = str(self._temporary / "run")
        if toml is not None:
            config = self._temporary / "unixsvc.toml"
            config.write_text(toml, "utf-8")
        try:
            self._process = self._start(Path(folder, config).absolute(), folder, environment or {})
        except BaseException:
            shutil.rmtree(self._temporary)
            raise
        self.pid = self._process.pid
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """All that it and its workers have written so far."""
        try:
            return self._file("log").read_text("utf-8", "replace")
        except FileNotFoundError:
            return self._last_log

    @property
    def http_url(self) -> str:
        """The URL of the HTTP gateway, without a slash at the end.

        :raises LookupError: if the configuration has none.
        """
        for each in psutil.Process(self.pid).net_connections("tcp4"):
            if each.status == psutil.CONN_LISTEN:
                return f"http://127.0.0.1:{each.laddr.port}"
        raise LookupError("the configuration has no table [http]")

    def client(self, service: str, **options: Unpack[ClientOptions]) -> Client:
        """A blocking client of a service, which is closed with the process.

        :param options: of :class:`unixsvc.blocking.Client`.
        """
        options.setdefault("socket_dir", self.socket_dir)
        options.setdefault("token", self.token)
        client = Client(service, **options)
        self._clients.append(client)
        return client

    def call(self, service: str, method: str, path: str, /, **data: object) -> Json:
        """Call a service once.

        :param data: the arguments of the action.
        :raises unixsvc.errors.ServiceError: if the reply is an error.
        """
        with Client(service, socket_dir=self.socket_dir, token=self.token) as client:
            return client.call(method, path, data)

    def stop(self) -> None:
        """Stop all services, and the orchestrator; kill them if they take too long."""
        for client in self._clients:
            client.close()
        self._process.terminate()
        try:
            self._process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its workers notice that, and exit
            self._process.wait()
        self._ready.close()
        if self._temporary.exists():
            self._last_log = self.log
            shutil.rmtree(self._temporary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _file(self, name: str) -> Path:
        return self._temporary / name

    def _start(
        self, config: Path, folder: str | os.PathLike[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        ours = {
            "NOTIFY_SOCKET": str(self._file("ready")),
            "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
            "UNIXSVC_LOG__FILE": "",
            "UNIXSVC_LOG__FORMAT": "text",
            "UNIXSVC_SOCKET_DIR": self.socket_dir,
            "UNIXSVC_TOKEN": self.token,
        }
        main = threading.current_thread() is threading.main_thread()
        command = [sys.executable, "-c", (_DIES_WITH_PARENT if main else "") + _PROGRAM]
        command += ["-n", "--pidfile=", "unixsvc", "--config", str(config)]
        if _has_http(config):
            command += ["--http", "tcp:0:interface=127.0.0.1"]
        self._ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ready.bind(ours["NOTIFY_SOCKET"])
        with self._file("log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 # our own program
                command,
                cwd=folder,
                env={**os.environ, **ours, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_until_ready(self) -> None:
        __tracebackhide__ = True
        deadline = monotonic() + self._timeout
        exited = os.pidfd_open(self.pid)
        try:
            while True:
                seconds = max(deadline - monotonic(), 0.0)
                ready = self._ready.fileno()
                found, _, _ = select.select([ready, exited], [], [], seconds)
                if exited in found:
                    raise StartFailed(self._reason())
                if not found:
                    raise StartFailed(f"not ready within {self._timeout:g} s: {self._reason()}")
                if b"READY=1" in self._ready.recv(65_536):
                    return
        finally:
            os.close(exited)

    def _reason(self) -> str:
        """The line of a program that has failed, else the last one."""
        lines = [line for line in self.log.splitlines() if line.strip()] or ["it has written nothing"]
        own = [line for line in lines if line.startswith("unixsvc: ")]
        return (own or lines)[-1]


class ProcessFactory:
    """Makes orchestrators: the value of the fixtures ``unixsvc_process`` and ``unixsvc_process_factory``.

    :param folder: the current directory of the orchestrators.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = folder
        self._made: list[ServiceProcess] = []
        self._marks: dict[ServiceProcess, int] = {}

    def __call__(
        self, config: str | os.PathLike[str] = "unixsvc.toml", **options: Unpack[ProcessOptions]
    ) -> ServiceProcess:
        """Start an orchestrator; it is stopped when the fixture ends.

        :param config: the path of the configuration; relative to the root directory of pytest.
        :param options: of :class:`ServiceProcess`.
        :raises StartFailed: if it cannot start.
        """
        __tracebackhide__ = True
        options.setdefault("folder", self._folder)
        process = ServiceProcess(config, **options)
        self._made.append(process)
        return process

    def start_test(self) -> None:
        """Show only what is logged from now on."""
        self._marks = {process: len(process.log) for process in self._made}

    def logs(self) -> list[str]:
        """What each orchestrator has logged during the test."""
        before: list[int] = []
        while (now := [len(process.log) for process in self._made]) != before:
            before = now
            sleep(_QUIET)
        return [process.log[self._marks.get(process, 0) :] for process in self._made]

    def close(self) -> None:
        """Stop all, the last first."""
        for process in self._made[::-1]:
            process.stop()


def _has_http(config: Path) -> bool:
    try:
        http = tomllib.loads(config.read_text("utf-8")).get("http")
        return http == {} or not {*(http or {})}.isdisjoint(HttpTable.__struct_fields__)
    except (OSError, ValueError):  # the orchestrator says what is wrong
        return False
