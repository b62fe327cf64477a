"""Starts what is measured, measures in alternating rounds, prints medians."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.load import Load, measure_latency, measure_rate

_ROUNDS = 7
_CONFIG = """\
socket_dir = "run"
[services.bench]
app = "bench.app:app"
"""


def _started(command: list[str], folder: str, path: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with open(os.path.join(folder, "log"), "ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)  # noqa: S603
    deadline = time.monotonic() + 20
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"cannot start {command}:\n{Path(folder, 'log').read_text()}")
        time.sleep(0.05)
    return process


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "unixsvc.toml").write_text(_CONFIG)
        ours, echo = os.path.join(folder, "run/service_bench.sock"), os.path.join(folder, "echo.sock")
        twistd = str(Path(sys.executable).with_name("twistd"))
        processes = [
            _started([twistd, "-n", "unixsvc"], folder, ours),
            _started([sys.executable, "-m", "bench.echo", echo], folder, echo),
        ]
        try:
            token = Path(folder, ".auth_token").read_text().strip()
            _measure(ours, echo, token)
        finally:
            for each in processes:
                each.terminate()
            for each in processes:
                each.wait(20)


def _measure(ours: str, echo: str, token: str) -> None:
    message = b'{"id":1,"path":"/user/7","auth_token":"%b"}\n' % token.encode()
    reply = b'{"id":1,"code":200,"data":{"id":7,"name":"user 7"}}\n'
    loads, echoes, times, echo_times = [], [], [], []
    measure_rate(ours, message, reply, 50, 1.0)  # to warm up
    for _ in range(_ROUNDS):
        loads.append(measure_rate(ours, message, reply, 50, 2.0))
        echoes.append(measure_rate(echo, message, message, 50, 2.0))
        times.append(measure_latency(ours, message, 20_000))
        echo_times.append(measure_latency(echo, message, 20_000))
    rate, reference = median(each.rate for each in loads), median(each.rate for each in echoes)
    share = median(each.own_share for each in loads)
    _say(f"50 connections, one worker: {rate:,.0f} requests/s (each round: {_each(loads)})")
    _say(f"  the generator used {share:.0%} of a core; from the echo server it gets {reference:,.0f}/s")
    for name, rounds in (("one connection", times), ("  the echo server", echo_times)):
        shares = {name: median(each[int(len(each) * at)] for each in rounds) for name, at in _SHARES.items()}
        _say(f"{name}: " + ", ".join(f"{what} {value * 1e6:.0f} µs" for what, value in shares.items()))


_SHARES = {"median": 0.5, "90 %": 0.9, "99 %": 0.99}


def _each(loads: list[Load]) -> str:
    return ", ".join(f"{each.rate:,.0f}" for each in loads)


if __name__ == "__main__":
    main()
