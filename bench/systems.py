"""The systems that are measured: how each is started, how requests are sent to it, what it requires."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from msgspec import Struct

from bench.environments import CommandError, make_import_folder, peer_environment, versions
from bench.load import http2_client, raw_client
from bench.load.generator import OpenConnection
from bench.load.raw_client import Workload
from bench.processes import BenchError, ProcessGroup, free_port, is_listening
from bench.service import RunningSystem, socket_load, start_socket

__all__ = [
    "ACCEPT",
    "FLOOR",
    "LONG_TOKEN",
    "OURS",
    "STARLETTE",
    "SYSTEMS",
    "UVICORN",
    "UVICORN_OPTIONS",
    "System",
    "load_for",
    "missing_requirement",
]

FLOOR: Final = "floor"
OURS: Final = "unixsvc"
# uvicorn writes a response with two system calls under uvloop 0.23, and with one under 0.22.1.
UVICORN: Final = ("uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.22.1", "msgspec==0.23.0")
UVICORN_OPTIONS: Final = (
    "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
)  # fmt: skip
STARLETTE: Final = ("starlette==1.10.0", *UVICORN)


class System(Struct, frozen=True):
    """One of the systems that are compared.

    :ivar title: a description in one line.
    :ivar start: starts it, with a number of additional routes.
    :ivar load: how requests are sent; gives None for a workload that the system cannot serve.
    :ivar clients: name and module of each of its Python clients.
    :ivar requirements: distributions, programs in the form ``nats-server!``, and exact versions in the form
        ``starlette==1.10.0``, for which there is an environment of their own.
    :ivar routes: whether it has a route table.
    """

    name: str
    title: str
    start: Callable[[ProcessGroup, int], RunningSystem]
    load: Callable[[RunningSystem, Workload], OpenConnection | None]
    clients: tuple[tuple[str, str], ...] = ()
    requirements: tuple[str, ...] = ()
    routes: bool = False


def missing_requirement(requirements: tuple[str, ...]) -> str:
    """What is not there and how to install it; empty if everything is there.

    Exact versions are installed by this function, in an environment of their own.
    """
    if pinned := [each for each in requirements if "==" in each]:
        try:
            peer_environment(pinned)
        except (CommandError, OSError) as error:
            return f"{error}; needs what this installs: pip install {' '.join(pinned)}"
    programs = [each[:-1] for each in requirements if each.endswith("!") and not _program(each[:-1])]
    if programs:
        return f"no program {', '.join(programs)}; on Debian: apt install {' '.join(programs)}"
    try:
        for each in requirements:
            if not each.endswith("!") and "==" not in each:
                version(each)
    except PackageNotFoundError as error:
        return f"{error.name} is not installed; pip install 'unixsvc[bench]'"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _start_module(name: str) -> Callable[[ProcessGroup, int], RunningSystem]:
    def start(processes: ProcessGroup, routes: int) -> RunningSystem:
        folder = processes.new_folder(name)
        path = str(folder / "socket")
        child = processes.start(name, [sys.executable, "-m", f"bench.servers.{name}", path], folder)
        child.wait_until(lambda: is_listening(path))
        return RunningSystem(child, path)

    return start


def _start_uvicorn(processes: ProcessGroup, routes: int) -> RunningSystem:
    folder = processes.new_folder("uvicorn")
    path = str(folder / "socket")
    program = str(peer_environment(STARLETTE) / "uvicorn")
    command = [program, "bench.servers.http.starlette_app:app", "--uds", path, *UVICORN_OPTIONS]
    import_path = str(make_import_folder(folder / "path"))
    variables = {"BENCH_ROUTES": str(routes), "PYTHONPATH": import_path}
    child = processes.start("uvicorn", command, folder, variables)
    child.wait_until(lambda: is_listening(path))
    return RunningSystem(child, path, libraries=versions(STARLETTE))


def _start_nats(processes: ProcessGroup, routes: int) -> RunningSystem:
    folder, port = processes.new_folder("nats"), free_port()
    server = _program("nats-server")
    if server is None:
        raise BenchError("no program nats-server")
    address = ("127.0.0.1", port)
    broker = processes.start("nats-server", [server, "-a", "127.0.0.1", "-p", str(port)], folder)
    broker.wait_until(lambda: is_listening(address))
    ready = folder / "ready"
    command = [sys.executable, "-m", "bench.servers.nats_service", str(port), str(ready)]
    child = processes.start("nats_service", command, folder)
    child.wait_until(ready.exists)
    return RunningSystem(child, address, broker=broker)


def load_for(system: System, running: RunningSystem, workload: Workload) -> OpenConnection:
    """How to send a workload that every system can serve."""
    load = system.load(running, workload)
    if load is None:
        raise BenchError(f"{system.name} cannot serve {workload}")
    return load


def _amp_load(running: RunningSystem, workload: Workload) -> OpenConnection | None:
    return raw_client.amp(running.address, workload) if len(workload.text or "") < 1 << 16 else None


def _grpc_load(running: RunningSystem, workload: Workload) -> OpenConnection | None:
    return http2_client.grpc(running.address, workload) if len(workload.text or "") < 1 << 15 else None


LONG_TOKEN: Final = "x" * 43  # as long as a real one

# It serves nothing but a connection for each request.
ACCEPT: Final = System(
    "accept", "accept, recv and send of Python, on uvloop", _start_module("accept"),
    lambda running, work: raw_client.json_lines(running.address, work, token=LONG_TOKEN),
)  # fmt: skip

SYSTEMS: Final = (
    System(
        "echo", "sends back the bytes that it receives, on uvloop", _start_module("echo"),
        lambda running, work: raw_client.json_lines(running.address, work, token=LONG_TOKEN, echoed=True),
    ),
    System(
        FLOOR, "decodes lines with msgspec, sends a fixed reply, on uvloop", _start_module("floor"),
        lambda running, work: raw_client.json_lines(running.address, work, token=LONG_TOKEN),
    ),
    System(
        "json", "decodes lines, encodes and writes each reply, on uvloop", _start_module("json_lines"),
        lambda running, work: raw_client.json_lines(running.address, work, token=LONG_TOKEN),
    ),
    System(
        OURS, "this framework: one worker, with a token", start_socket, socket_load,
        (("unixsvc", "bench.clients.unixsvc_twisted"), ("unixsvc.aio", "bench.clients.unixsvc_aio")),
        routes=True,
    ),
    System(
        "twisted", "LineOnlyReceiver and json, on epoll", _start_module("twisted_lines"),
        lambda running, work: raw_client.json_lines(running.address, work, separators=(", ", ": ")),
        (("twisted", "bench.clients.twisted_lines"),),
    ),
    System(
        "amp", "Twisted's AMP, on epoll", _start_module("amp"), _amp_load, (("amp", "bench.clients.amp"),),
    ),
    System(
        "grpc", "grpc.aio with JSON as bytes", _start_module("grpc_service"), _grpc_load,
        (("grpc", "bench.clients.grpc_client"),), ("grpcio",),
    ),
    System(
        "starlette", "Starlette on uvicorn, with uvloop and httptools", _start_uvicorn,
        lambda running, work: raw_client.http(running.address, work), (),
        STARLETTE, routes=True,
    ),
    System(
        "nats", "nats-py on uvloop, behind a NATS server over TCP", _start_nats,
        lambda running, work: raw_client.nats(running.address, work),
        (("nats", "bench.clients.nats_client"),), ("nats-py", "nats-server!"),
    ),
)  # fmt: skip
