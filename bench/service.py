"""Starts ``twistd unixsvc`` with one service, in any environment where unixsvc is installed."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from bench.environments import installed_versions
from bench.load import raw_client
from bench.load.generator import OpenConnection, send_one
from bench.load.raw_client import Workload
from bench.processes import Address, BenchError, ChildProcess, ProcessGroup, child_environment, free_port

__all__ = [
    "CURRENT",
    "HTTP",
    "LIMITS",
    "SOCKET",
    "Installation",
    "RunningSystem",
    "authorization",
    "cpu_seconds",
    "http_load",
    "new_token",
    "socket_load",
    "start_http",
    "start_service",
    "start_socket",
    "start_workers",
    "wait_for_reply",
]

LIMITS: Final = """\
socket_dir = "run"
[limits]
max_connections = 20000
backlog = 4096
"""
SOCKET: Final = """\
[services.bench]
app = "{app}"
workers = {workers}
boot_timeout = {boot_timeout}
"""
HTTP: Final = """\
[http]
app = "{app}"
listen = ["tcp:{port}:interface=127.0.0.1:backlog=1024"]
boot_timeout = {boot_timeout}
"""
_APP: Final = "bench.app:app"
_BOOT_TIMEOUT: Final = 60.0  # seconds
_SCHEDULED: Final = 2  # with the inverted process id, the clock that clock_getcpuclockid(3) returns on Linux
_LIBRARIES: Final = ("twisted", "klein", "uvloop", "msgspec")


class Installation(Struct, frozen=True):
    """A Python environment in which unixsvc is installed.

    :ivar python: its interpreter.
    :ivar environment: variables for its processes, added to those of the benchmark.
    """

    python: str
    environment: Mapping[str, str] = {}


CURRENT: Final = Installation(sys.executable)


class RunningSystem(Struct, frozen=True):
    """A system that is running.

    :ivar child: the process that serves, or its parent.
    :ivar token: that unixsvc requires.
    :ivar broker: a process that all messages pass through.
    :ivar libraries: the versions on which its speed depends, by name.
    """

    child: ChildProcess
    address: Address
    token: str = ""
    broker: ChildProcess | None = None
    libraries: Mapping[str, str] = {}

    def server_processes(self) -> list[psutil.Process]:
        """The processes that work on requests; first one that serves.

        An orchestrator is not among them: it has no part in a request.
        """
        process = psutil.Process(self.child.pid)
        serving = process.children() or [process]
        return serving if self.broker is None else [*serving, psutil.Process(self.broker.pid)]

    def cpu_seconds(self) -> float:
        """The CPU time that these processes have used so far, with all of their threads, also ended ones."""
        return sum(cpu_seconds(each.pid) for each in self.server_processes())


def start_socket(
    processes: ProcessGroup, routes: int = 0, *, workers: int = 1, installation: Installation = CURRENT
) -> RunningSystem:
    """A service on a Unix socket, after its first reply.

    :param routes: number of additional routes.
    """
    folder = processes.new_folder("unixsvc")
    environment = f'environment = {{ BENCH_ROUTES = "{routes}" }}\n'
    config = LIMITS + SOCKET.format(app=_APP, workers=workers, boot_timeout=_BOOT_TIMEOUT) + environment
    token = new_token(folder)
    child = start_service(processes, folder, config, installation)
    running = RunningSystem(child, str(folder / "run/service_bench.sock"), token)
    wait_for_reply(child, socket_load(running), _BOOT_TIMEOUT)
    return running


def start_workers(
    processes: ProcessGroup, workers: int, *, installation: Installation = CURRENT
) -> RunningSystem:
    """A service on a Unix socket, after all of its workers have become ready."""
    running = start_socket(processes, workers=workers, installation=installation)
    running.child.wait_until(lambda: _ready_workers(running, installation) == workers, _BOOT_TIMEOUT)
    return running


def _ready_workers(running: RunningSystem, installation: Installation) -> int:
    done = subprocess.run(  # noqa: S603  # our own command
        [installation.python, "-m", "unixsvc", "status", "--json"],
        cwd=running.child.folder,
        env=child_environment(installation.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"unixsvc status: {done.stderr}")
    workers = json.loads(done.stdout)["bench"]["workers"]
    return sum(worker["status"] == "ready" for worker in workers)


def start_http(processes: ProcessGroup, *, installation: Installation = CURRENT) -> RunningSystem:
    """A service on HTTP, with one worker, after its first response."""
    port = free_port()
    folder = processes.new_folder("unixsvc-http")
    config = LIMITS + HTTP.format(app=_APP, port=port, boot_timeout=_BOOT_TIMEOUT)
    token = new_token(folder)
    child = start_service(processes, folder, config, installation)
    libraries = installed_versions(_LIBRARIES)
    running = RunningSystem(child, ("127.0.0.1", port), token, libraries=libraries)
    wait_for_reply(child, http_load(running), _BOOT_TIMEOUT)
    return running


def start_service(
    processes: ProcessGroup,
    folder: Path,
    config: str,
    installation: Installation,
    command: Sequence[str] | None = None,
) -> ChildProcess:
    """Start ``twistd unixsvc`` in a folder.

    :param command: another way to run ``twistd``.
    """
    (folder / "unixsvc.toml").write_text(config)
    twistd = command or [str(Path(installation.python).with_name("twistd"))]
    return processes.start("twistd", [*twistd, "-n", "unixsvc"], folder, installation.environment)


def wait_for_reply(child: ChildProcess, open_connection: OpenConnection, timeout: float) -> None:
    """Wait until a request is answered.

    :param timeout: in seconds.
    :raises BenchError: with the log of the process, for a wrong reply or on a time-out.
    """

    def replies() -> bool:
        try:
            send_one(open_connection)
        except OSError:  # not listening yet, or no reply within the time-out of one recv()
            return False
        except BenchError as error:
            raise BenchError(f"{error}; the log:\n{child.log}") from None
        return True

    child.wait_until(replies, timeout)


def new_token(folder: Path) -> str:
    """Create the token of a service, in the file that it reads."""
    token = secrets.token_hex(32)
    file = folder / ".auth_token"
    file.touch(mode=0o600)
    file.write_text(token)
    return token


def socket_load(running: RunningSystem, workload: Workload | None = None) -> OpenConnection:
    """How to send a workload over the Unix socket."""
    return raw_client.json_lines(running.address, workload or Workload(), token=running.token)


def http_load(running: RunningSystem, workload: Workload | None = None) -> OpenConnection:
    """How to send a workload over HTTP."""
    return raw_client.http(running.address, workload or Workload(), authorization(running.token))


def authorization(token: str) -> str:
    """The header line of a token; empty without one."""
    return f"Authorization: Bearer {token}\r\n" if token else ""


def cpu_seconds(pid: int) -> float:
    """The CPU time, of user and system, of a process."""
    return time.clock_gettime(~pid << 3 | _SCHEDULED)
