"""The part of the benchmark that loads HTTP over TCP."""

from __future__ import annotations

import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.load.generator import Sample, measure_rate, send_one
from bench.load.raw_client import Workload
from bench.parts.http_systems import HTTP_SYSTEMS
from bench.processes import BenchError
from bench.rounds import Case, Group
from bench.service import RunningSystem, authorization, http_load
from bench.session import Session
from bench.systems import OURS

__all__ = ["http", "parse_wrk", "wrk_script"]

_CONNECTIONS: Final = 20


def http(session: Session) -> Iterator[Group]:
    """``GET /user/7`` and ``POST /user`` on connections with keep-alive, with ``wrk`` if it is installed."""
    smoke = session.options.smoke
    wrk = not smoke and session.is_available("wrk", ("wrk!",))  # it measures for a second at least
    loads: dict[str, list[Case]] = {"GET": [], "POST": []}
    scripts = session.processes.new_folder("wrk")
    for system in HTTP_SYSTEMS:
        if smoke and not system.name.startswith(OURS):
            continue
        if not session.is_available(system.name, system.requirements):
            continue
        session.report_progress(f"starting {system.name} for HTTP")
        running = system.start(session.processes)
        for workload in system.workloads:
            send_one(http_load(running, workload))  # it checks the answer, which wrk does not
            measure = _with_wrk(running, workload, scripts) if wrk else _without_wrk(running, workload)
            loads["POST" if workload.body else "GET"].append(Case(system.name, measure, running))
    for method, cases in loads.items():
        yield Group(f"HTTP {method}, {_CONNECTIONS} connections", cases)


def _without_wrk(running: RunningSystem, workload: Workload) -> Callable[[float], Sample]:
    return partial(measure_rate, http_load(running, workload), _CONNECTIONS, 1)


def _with_wrk(running: RunningSystem, workload: Workload, scripts: Path) -> Callable[[float], Sample]:
    script = scripts / f"{len(list(scripts.iterdir()))}.lua"
    script.write_text(wrk_script(workload, running.token))
    url = f"http://127.0.0.1:{running.address[1]}{workload.path}"
    return partial(_run_wrk, running, ["-s", str(script), url])


def wrk_script(workload: Workload, token: str) -> str:
    """A script that makes ``wrk`` send a workload."""
    name, _, value = authorization(token).strip().partition(": ")
    lines = [f'wrk.headers["{name}"] = "{value}"'] if token else []
    if workload.body:
        lines += ['wrk.method = "POST"', f"wrk.body = [[{workload.body.decode()}]]"]
        lines += ['wrk.headers["Content-Type"] = "application/json"']
    return "".join(f"{each}\n" for each in lines)


def _run_wrk(running: RunningSystem, arguments: list[str], seconds: float) -> Sample:
    duration = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{duration}s", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate, count = parse_wrk(done.stdout)
    if not rate:
        raise BenchError(f"wrk: {done.stdout}{done.stderr}\nthe log of the server:\n{running.child.log}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample(rate, cpu / duration, count)


def parse_wrk(output: str) -> tuple[float, int]:
    """Replies per second, and their number; 0 if there was an error or any reply is one."""
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    count = re.search(r"(\d+) requests in", output)
    if not rate or not count or "Non-2xx" in output or "Socket errors" in output:
        return 0.0, 0
    return float(rate[1]), int(count[1])
