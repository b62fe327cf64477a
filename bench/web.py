"""The part of the measurement that loads HTTP over TCP."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

from bench import talking
from bench.children import Broken, Children, answers_at, free_port
from bench.load import Sample, measure_rate
from bench.stage import Case, Group, Stage
from bench.systems import UVICORN, Started, start_http
from bench.talking import Work

__all__ = ["http"]

_CONNECTIONS = 20
_STARLETTE = ("starlette", "uvicorn", "httptools")


def http(stage: Stage) -> Iterator[Group]:
    """``GET /user/7`` on 20 connections that stay, with ``wrk`` if that is there."""
    cases = []
    for name, start in _SERVERS.items():
        if (stage.options.smoke and name != "unixsvc") or not stage.has(name, _needs(name)):
            continue
        stage.say(f"starting {name} for HTTP")
        started = start(stage.children)
        cases.append(Case(name, _measure(started), started))
    if not shutil.which("wrk"):
        stage.say("without wrk, with a generator of our own; on Debian: apt install wrk")
    yield Group(f"HTTP, {_CONNECTIONS} connections", cases)


def _measure(started: Started) -> Callable[[float], Sample]:
    header = f"Authorization: Bearer {started.token}" if started.token else ""
    if shutil.which("wrk"):
        return lambda seconds: _wrk(started, header, seconds)
    talk = talking.http(started.address, Work(), f"{header}\r\n" if header else "")
    return lambda seconds: measure_rate(talk, _CONNECTIONS, 1, seconds)


def _wrk(started: Started, header: str, seconds: float) -> Sample:
    whole = max(1, round(seconds))
    command = [
        "wrk",
        "-t1",
        f"-c{_CONNECTIONS}",
        f"-d{whole}s",
        f"http://127.0.0.1:{started.address[1]}/user/7",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # noqa: S603  # our own command
        [*command, *(("-H", header) if header else ())], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if not found or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise Broken(f"wrk: {done.stdout}{done.stderr}\nthe log of what it asked:\n{started.child.log}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    count = re.search(r"(\d+) requests in", done.stdout)
    return Sample(float(found[1]), used / whole, int(count[1]) if count else 0)


def _python(name: str, command: Callable[[int], list[str]]) -> Callable[[Children], Started]:
    def start(children: Children) -> Started:
        port = free_port()
        child = children.start(name, [sys.executable, "-m", *command(port)], children.folder(name))
        child.until(lambda: answers_at(("127.0.0.1", port)))
        return Started(child, ("127.0.0.1", port))

    return start


def _needs(name: str) -> tuple[str, ...]:
    return _STARLETTE if name == "starlette" else ()


def _twisted(kind: str, loop: str) -> Callable[[Children], Started]:
    return _python(f"{kind}-{loop}", lambda port: ["bench.servers.web", kind, loop, str(port)])


_SERVERS: dict[str, Callable[[Children], Started]] = {
    "unixsvc": start_http,
    "klein, epoll": _twisted("klein", "epoll"),
    "klein, uvloop": _twisted("klein", "uvloop"),
    "twisted.web, epoll": _twisted("web", "epoll"),
    "twisted.web, uvloop": _twisted("web", "uvloop"),
    "starlette": _python(
        "starlette", lambda port: ["uvicorn", "bench.servers.asgi:app", "--port", str(port), *UVICORN]
    ),
}
