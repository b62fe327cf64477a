"""What is measured: how each system is started, what is sent to it, and what it needs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from bench import h2, talking
from bench.children import Address, Broken, Child, Children, answers_at, free_port
from bench.load import Open
from bench.talking import Work

__all__ = [
    "FLOOR",
    "OURS",
    "SYSTEMS",
    "Started",
    "System",
    "missing",
    "start_http",
    "start_ours",
    "talk_with",
]

FLOOR: Final = "floor"
OURS: Final = "unixsvc"

_CONFIG: Final = """\
socket_dir = "run"
[limits]
max_connections = 20000
backlog = 4096
[services.bench]
app = "bench.app:app"
boot_timeout = 60.0
environment = { BENCH_ROUTES = "%d" }
"""
_HTTP: Final = """\
[http]
app = "bench.app:app"
listen = ["tcp:%d:interface=127.0.0.1:backlog=1024"]
"""


class Started(Struct, frozen=True):
    """A system that runs.

    :ivar child: what answers, or what has started that.
    :ivar token: that ours wants to be shown.
    :ivar broker: what messages pass through on their way.
    """

    child: Child
    address: Address
    token: str = ""
    broker: Child | None = None

    def serving(self) -> list[psutil.Process]:
        """The processes that work for a request; first that which answers."""
        process = psutil.Process(self.child.pid)
        found = [next(iter(process.children()), process)]  # the orchestrator has no part in it
        return found if self.broker is None else [*found, psutil.Process(self.broker.pid)]

    def used(self) -> float:
        """The seconds of a processor that they have had so far."""
        spent = 0
        for process in self.serving():
            for thread in Path(f"/proc/{process.pid}/task").iterdir():
                spent += int((thread / "schedstat").read_text().split()[0])
        return spent / 1e9


class System(Struct, frozen=True):
    """One of those that are compared.

    :ivar title: what it is, in a line.
    :ivar start: with so many further routes.
    :ivar talk: what is sent there; none for work that it cannot do.
    :ivar caller: the module of its Python client, and the arguments for it.
    :ivar needs: distributions, and programs as ``nats-server!``.
    :ivar routes: whether it has a table of them.
    """

    name: str
    title: str
    start: Callable[[Children, int], Started]
    talk: Callable[[Started, Work], Open | None]
    caller: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    routes: bool = False


def missing(needs: tuple[str, ...]) -> str:
    """What is needed, and is not there, with how to get it; empty if nothing is."""
    programs = [each[:-1] for each in needs if each.endswith("!") and not _program(each[:-1])]
    if programs:
        return f"no program {', '.join(programs)}; on Debian: apt install {' '.join(programs)}"
    try:
        for each in needs:
            if not each.endswith("!"):
                version(each)
    except PackageNotFoundError as error:
        return f"{error.name} is not installed; pip install 'unixsvc[bench]'"
    return ""


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def start_ours(children: Children, routes: int = 0, config: str = _CONFIG) -> Started:
    """``twistd unixsvc`` with one worker."""
    folder = children.folder("unixsvc")
    (folder / "unixsvc.toml").write_text(config % routes)
    path = folder / "run/service_bench.sock"
    twistd = str(Path(sys.executable).with_name("twistd"))
    child = children.start("twistd", [twistd, "-n", "unixsvc"], folder)
    child.until(lambda: answers_at(str(path)) and (folder / ".auth_token").exists())
    child.until(lambda: " ready: bench" in child.log)
    return Started(child, str(path), (folder / ".auth_token").read_text().strip())


def start_http(children: Children) -> Started:
    """``twistd unixsvc`` with one worker for HTTP."""
    port = free_port()
    config = _CONFIG.partition("[services")[0] + _HTTP
    folder = children.folder("unixsvc-http")
    (folder / "unixsvc.toml").write_text(config % port)
    child = children.start("twistd", [str(Path(sys.executable).with_name("twistd")), "-n", "unixsvc"], folder)
    child.until(lambda: " ready: http" in child.log)
    return Started(child, ("127.0.0.1", port), (folder / ".auth_token").read_text().strip())


def _module(name: str) -> Callable[[Children, int], Started]:
    def start(children: Children, routes: int) -> Started:
        folder = children.folder(name)
        path = str(folder / "socket")
        child = children.start(name, [sys.executable, "-m", f"bench.servers.{name}", path], folder)
        child.until(lambda: answers_at(path))
        return Started(child, path)

    return start


def _start_uvicorn(children: Children, routes: int) -> Started:
    folder = children.folder("uvicorn")
    path = str(folder / "socket")
    command = [sys.executable, "-m", "uvicorn", "bench.servers.asgi:app", "--uds", path, *UVICORN]
    child = children.start("uvicorn", command, folder, {"BENCH_ROUTES": str(routes)})
    child.until(lambda: answers_at(path))
    return Started(child, path)


UVICORN: Final = ("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")


def _start_nats(children: Children, routes: int) -> Started:
    folder, port = children.folder("nats"), free_port()
    server = _program("nats-server")
    if server is None:
        raise Broken("no nats-server")
    address = ("127.0.0.1", port)
    broker = children.start("nats-server", [server, "-a", "127.0.0.1", "-p", str(port)], folder)
    broker.until(lambda: answers_at(address))
    ready = folder / "ready"
    command = [sys.executable, "-m", "bench.servers.nats_service", str(port), str(ready)]
    child = children.start("nats_service", command, folder)
    child.until(ready.exists)
    return Started(child, address, broker=broker)


def talk_with(system: System, started: Started, work: Work) -> Open:
    """What is sent to a system for work that all can do."""
    talk = system.talk(started, work)
    if talk is None:
        raise Broken(f"{system.name} cannot do {work}")
    return talk


def _talk_ours(started: Started, work: Work) -> Open:
    return talking.lines(started.address, work, token=started.token)


def _talk_amp(started: Started, work: Work) -> Open | None:
    return talking.amp(started.address, work) if len(work.text or "") < 1 << 16 else None


def _talk_grpc(started: Started, work: Work) -> Open | None:
    return h2.grpc(started.address, work) if len(work.text or "") < 1 << 15 else None


SYSTEMS: Final = (
    System(
        "echo", "sends back what it gets, on uvloop", _module("echo"),
        lambda started, work: talking.lines(started.address, work, token="x" * 43, same=True),
    ),
    System(
        FLOOR, "decodes lines with msgspec, answers with a fixed one, on uvloop", _module("floor"),
        lambda started, work: talking.lines(started.address, work, token="x" * 43),
    ),
    System(
        "json", "decodes lines, encodes each answer and writes it, on uvloop", _module("json_lines"),
        lambda started, work: talking.lines(started.address, work, token="x" * 43),
    ),
    System(
        OURS, "this framework: one worker, token on", start_ours, _talk_ours,
        (("unixsvc", "bench.callers.ours"), ("unixsvc.aio", "bench.callers.ours_aio")), routes=True,
    ),
    System(
        "twisted", "LineOnlyReceiver and json, on epoll", _module("lines"),
        lambda started, work: talking.lines(started.address, work, separators=(", ", ": ")),
        (("twisted", "bench.callers.lines"),),
    ),
    System("amp", "Twisted's AMP, on epoll", _module("amp"), _talk_amp, (("amp", "bench.callers.amp"),)),
    System(
        "grpc", "grpc.aio with JSON as bytes", _module("grpc_service"), _talk_grpc,
        (("grpc", "bench.callers.grpc_client"),), ("grpcio",),
    ),
    System(
        "starlette", "Starlette on uvicorn, with uvloop and httptools", _start_uvicorn,
        lambda started, work: talking.http(started.address, work), (), ("starlette", "uvicorn", "httptools"),
        routes=True,
    ),
    System(
        "nats", "nats-py on uvloop, behind a NATS server over TCP", _start_nats,
        lambda started, work: talking.nats(started.address, work),
        (("nats", "bench.callers.nats_client"),), ("nats-py", "nats-server!"),
    ),
)  # fmt: skip
