"""The HTTP systems that are compared: how each is started at its best, and the versions of its libraries.

Each has one process that answers. The versions are exact, since the speed depends on them; to measure others,
change them here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.environments import installed_versions, make_import_folder, peer_environment, versions
from bench.load.raw_client import Creation, Workload
from bench.processes import ProcessGroup, free_port, is_listening
from bench.service import RunningSystem, start_http
from bench.systems import OURS, STARLETTE, UVICORN, UVICORN_OPTIONS

__all__ = ["HTTP_SYSTEMS", "HttpSystem"]

_SHOW, _CREATE = Workload(), Creation()
_BOTH: Final = (_SHOW, _CREATE)
_LLHTTP: Final = ("httptools==0.9.0", "uvloop==0.22.1", "msgspec==0.23.0")
_GRANIAN: Final = ("granian==2.8.9", "uvloop==0.23.0", "msgspec==0.23.0")
# From Python 3.12 on granian runs tasks of asyncio whatever is requested.
_GRANIAN_OPTIONS: Final = (
    "--http", "1", "--no-ws", "--loop", "uvloop", "--task-impl", "rust", "--no-log",
)  # fmt: skip
_APPLICATIONS: Final = "bench.servers.http"

# The program and its arguments, from the folder of the environment's programs and the port.
Command = Callable[[Path, int], list[str]]


class HttpSystem(Struct, frozen=True):
    """One system that is loaded over HTTP.

    :ivar title: a description in one line.
    :ivar start: starts it.
    :ivar workloads: that it serves: ``GET`` and, where it has a body, ``POST``.
    :ivar requirements: as of :class:`~bench.systems.System`.
    """

    name: str
    title: str
    start: Callable[[ProcessGroup], RunningSystem]
    workloads: tuple[Workload, ...] = _BOTH
    requirements: tuple[str, ...] = ()


def _peer(name: str, title: str, command: Command, requirements: tuple[str, ...]) -> HttpSystem:
    """A system in an environment of its own."""

    def start(processes: ProcessGroup) -> RunningSystem:
        port, folder = free_port(), processes.new_folder("peer")
        import_path = {"PYTHONPATH": str(make_import_folder(folder / "path"))}
        child = processes.start("peer", command(peer_environment(requirements), port), folder, import_path)
        child.wait_until(lambda: is_listening(("127.0.0.1", port)))
        return RunningSystem(child, ("127.0.0.1", port), libraries=versions(requirements))

    return HttpSystem(name, title, start, _BOTH, requirements)


def _uvicorn(name: str, title: str, module: str, requirements: tuple[str, ...]) -> HttpSystem:
    application = f"{_APPLICATIONS}.{module}:app"
    return _peer(
        name, title,
        lambda programs, port: [
            str(programs / "uvicorn"), application, "--port", str(port), *UVICORN_OPTIONS,
        ],
        requirements,
    )  # fmt: skip


def _granian(interface: str, title: str, module: str) -> HttpSystem:
    application = f"{_APPLICATIONS}.{module}:app"
    return _peer(
        f"granian, {interface.upper()}", title,
        lambda programs, port: [
            str(programs / "granian"), "--interface", interface, "--port", str(port), *_GRANIAN_OPTIONS,
            application,
        ],
        _GRANIAN,
    )  # fmt: skip


def _script(name: str, title: str, arguments: tuple[str, ...], requirements: tuple[str, ...]) -> HttpSystem:
    module, *options = arguments
    return _peer(
        name, title,
        lambda programs, port: [
            str(programs / "python"), "-m", f"{_APPLICATIONS}.{module}", *options, str(port),
        ],
        requirements,
    )  # fmt: skip


def _start_twisted(kind: str, loop: str) -> Callable[[ProcessGroup], RunningSystem]:
    def start(processes: ProcessGroup) -> RunningSystem:
        port, name = free_port(), f"{kind}-{loop}"
        command = [sys.executable, "-m", "bench.servers.twisted_web", kind, loop, str(port)]
        child = processes.start(name, command, processes.new_folder(name))
        child.wait_until(lambda: is_listening(("127.0.0.1", port)))
        names = ["klein"] * (kind == "klein") + ["twisted"] + ["uvloop"] * (loop == "uvloop")
        return RunningSystem(child, ("127.0.0.1", port), libraries=installed_versions(names))

    return start


_KLEIN_ROUTE: Final = (Workload("/klein/user/7"),)
_GET: Final = (_SHOW,)

HTTP_SYSTEMS: Final = (
    _script("llhttp, fixed", "httptools on uvloop, prepared answers", ("bare_httptools", "fixed"), _LLHTTP),
    _script("llhttp, JSON", "httptools on uvloop, JSON", ("bare_httptools", "json"), _LLHTTP),
    HttpSystem(OURS, "the gateway of this framework: one worker, with a token", start_http),
    HttpSystem(f"{OURS}, Klein", "the same, a Klein route of the application", start_http, _KLEIN_ROUTE),
    HttpSystem("klein, epoll", "bare Klein, on epoll", _start_twisted("klein", "epoll"), _GET),
    HttpSystem("klein, uvloop", "bare Klein, on uvloop", _start_twisted("klein", "uvloop"), _GET),
    HttpSystem("twisted.web, epoll", "bare twisted.web, on epoll", _start_twisted("web", "epoll"), _GET),
    HttpSystem("twisted.web, uvloop", "bare twisted.web, on uvloop", _start_twisted("web", "uvloop"), _GET),
    _uvicorn("uvicorn, ASGI", "uvicorn, without a framework", "raw_asgi", UVICORN),
    _uvicorn("starlette", "Starlette on uvicorn", "starlette_app", STARLETTE),
    _uvicorn(
        "fastapi", "FastAPI on uvicorn", "fastapi_app", ("fastapi==0.165.0", "pydantic==2.14.4", *STARLETTE)
    ),
    _uvicorn("falcon", "Falcon on uvicorn", "falcon_app", ("falcon==4.4.0", *UVICORN)),
    _uvicorn("litestar", "Litestar on uvicorn", "litestar_app", ("litestar==2.25.0", *UVICORN)),
    _uvicorn("blacksheep", "BlackSheep on uvicorn", "blacksheep_app", ("blacksheep==2.6.4", *UVICORN)),
    _granian("rsgi", "granian with its own interface, without a framework", "raw_rsgi"),
    _granian("asgi", "granian, ASGI without a framework", "raw_asgi"),
    _script(
        "socketify", "socketify, which binds uWebSockets", ("socketify_app",),
        ("socketify==0.0.31", "msgspec==0.23.0"),
    ),
    _script("robyn", "Robyn", ("robyn_app",), ("robyn==0.88.0", "uvloop==0.22.1", "msgspec==0.23.0")),
)  # fmt: skip
