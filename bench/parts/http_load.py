"""The part of the benchmark that loads HTTP over TCP."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from bench.load.generator import Sample, measure_rate
from bench.processes import BenchError, ProcessGroup, free_port, is_listening
from bench.rounds import Case, Group
from bench.service import RunningSystem, http_load, start_http
from bench.session import Session
from bench.systems import UVICORN_OPTIONS

__all__ = ["http"]

_CONNECTIONS: Final = 20
_STARLETTE: Final = ("starlette", "uvicorn", "httptools")


def http(session: Session) -> Iterator[Group]:
    """``GET /user/7`` on 20 connections with keep-alive, with ``wrk`` if it is installed."""
    cases = []
    for name, start in _SERVERS.items():
        requirements = _STARLETTE if name == "starlette" else ()
        if (session.options.smoke and name != "unixsvc") or not session.is_available(name, requirements):
            continue
        session.report_progress(f"starting {name} for HTTP")
        running = start(session.processes)
        cases.append(Case(name, _measure(running), running))
    if not shutil.which("wrk"):
        session.report_progress("without wrk, with our own load generator; on Debian: apt install wrk")
    yield Group(f"HTTP, {_CONNECTIONS} connections", cases)


def _measure(running: RunningSystem) -> Callable[[float], Sample]:
    if shutil.which("wrk"):
        return partial(_run_wrk, running)
    return partial(measure_rate, http_load(running), _CONNECTIONS, 1)


def _run_wrk(running: RunningSystem, seconds: float) -> Sample:
    duration = max(1, round(seconds))
    url = f"http://127.0.0.1:{running.address[1]}/user/7"
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{duration}s", url]
    if running.token:
        command += ["-H", f"Authorization: Bearer {running.token}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if not rate or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise BenchError(f"wrk: {done.stdout}{done.stderr}\nthe log of the server:\n{running.child.log}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    count = re.search(r"(\d+) requests in", done.stdout)
    return Sample(float(rate[1]), cpu / duration, int(count[1]) if count else 0)


def _python(name: str, command: Callable[[int], list[str]]) -> Callable[[ProcessGroup], RunningSystem]:
    def start(processes: ProcessGroup) -> RunningSystem:
        port = free_port()
        child = processes.start(name, [sys.executable, "-m", *command(port)], processes.new_folder(name))
        child.wait_until(lambda: is_listening(("127.0.0.1", port)))
        return RunningSystem(child, ("127.0.0.1", port))

    return start


def _twisted(kind: str, loop: str) -> Callable[[ProcessGroup], RunningSystem]:
    return _python(f"{kind}-{loop}", lambda port: ["bench.servers.twisted_web", kind, loop, str(port)])


_SERVERS: Final[dict[str, Callable[[ProcessGroup], RunningSystem]]] = {
    "unixsvc": start_http,
    "klein, epoll": _twisted("klein", "epoll"),
    "klein, uvloop": _twisted("klein", "uvloop"),
    "twisted.web, epoll": _twisted("web", "epoll"),
    "twisted.web, uvloop": _twisted("web", "uvloop"),
    "starlette": _python(
        "starlette",
        lambda port: ["uvicorn", "bench.servers.asgi:app", "--port", str(port), *UVICORN_OPTIONS],
    ),
}
