"""Counts the instructions of one revision: of a worker that serves, and of clients."""

from __future__ import annotations

import os
import select
import shlex
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench import callgrind
from bench.compare.counted_client import CLIENTS
from bench.compare.segments import EMPTY_SEGMENTS, SEGMENTS, instructions_per_request
from bench.load.generator import OpenConnection, send_one
from bench.load.raw_client import Workload, connect, receive_until
from bench.processes import ChildProcess, ProcessGroup, free_port, is_listening
from bench.service import (
    HTTP,
    LIMITS,
    SOCKET,
    Installation,
    RunningSystem,
    authorization,
    http_load,
    new_token,
    socket_load,
    start_service,
)

__all__ = ["HTTP_WORKER", "LOADS", "SOCKET_WORKER", "CountedClient", "CountedService", "Load"]

SOCKET_WORKER: Final = "worker"
HTTP_WORKER: Final = "HTTP worker"

_APP: Final = "bench.compare.counted_app:app"
_START_TIMEOUT: Final = 300.0  # seconds; callgrind makes a program about fifty times slower
_CLIENT_TIMEOUT: Final = 300.0  # seconds
_CLIENT_CALLS: Final = 80  # in each segment
# A worker that reports late is busy, not stuck. The variable names its files of counts.
_SERVICE_OPTIONS: Final = 'watchdog = 3600.0\nenvironment = {{ BENCH_COUNTS = "{name}" }}\n'
_MARKED: Final = b'"user 7"}'  # the end of a reply
_WRAPPER: Final = '#!/bin/sh\nexec {callgrind} {python} "$@"\n'


class Load(Struct, frozen=True):
    """Requests that a worker under callgrind gets in each segment.

    :ivar http: whether they come over HTTP; otherwise over the Unix socket.
    :ivar connections: that are kept; 0 for a new one for each request.
    :ivar depth: requests in flight on each connection.
    """

    name: str
    requests: int
    connections: int
    depth: int = 1
    http: bool = False
    workload: Workload = Workload()


# Few connections, as a worker checks each of them every second. Segments must be shorter than that second: on
# an idle machine they take 0.1 s.
LOADS: Final = (
    Load("socket", 100, 2),
    Load("socket, 16 in flight", 160, 2, depth=16),
    Load("socket, a connection per request", 40, 0),
    Load("HTTP GET", 40, 2, http=True),
    Load("HTTP POST", 40, 2, http=True, workload=Workload("/echo", "x" * 100)),
    Load("HTTP, a Klein route", 40, 2, http=True, workload=Workload("/klein/user/7")),
)


class CountedService:
    """A service of one revision, with a worker for the socket and one for HTTP, both under callgrind.

    :ivar child: the orchestrator.
    """

    def __init__(self, processes: ProcessGroup, installation: Installation) -> None:
        folder = processes.new_folder("counted")
        port = free_port()
        token = new_token(folder)
        self.child = _start(processes, installation, folder, port)
        unix_socket = RunningSystem(self.child, str(folder / "run/service_bench.sock"), token)
        tcp = RunningSystem(self.child, ("127.0.0.1", port), token)
        self._workers = {
            SOCKET_WORKER: _Worker(unix_socket, folder / "counts.socket", http=False),
            HTTP_WORKER: _Worker(tcp, folder / "counts.http", http=True),
        }

    def start(self) -> dict[str, int]:
        """Wait until both workers reply; the instructions of each until then."""
        for each in self._workers.values():
            each.send_first_mark()
        return {name: each.wait_for_first_mark() for name, each in self._workers.items()}

    def count(self, load: Load) -> list[float]:
        """The instructions of a request, in each round."""
        os.kill(self.child.pid, signal.SIGSTOP)  # it asks workers for their metrics every second
        try:
            return self._workers[HTTP_WORKER if load.http else SOCKET_WORKER].count(load)
        finally:
            os.kill(self.child.pid, signal.SIGCONT)


class _Worker:
    """One worker under callgrind.

    :param running: with the address of the worker.
    :param counts: path of the files of counts, without their number.
    :param http: whether the worker serves HTTP; otherwise the Unix socket.
    """

    def __init__(self, running: RunningSystem, counts: Path, *, http: bool) -> None:
        self._running = running
        self._counts = counts
        self._http = http
        self._marks = 0

    def send_first_mark(self) -> None:
        """Send a request as soon as the orchestrator listens; the worker replies once it is ready."""
        address = self._running.address
        self._running.child.wait_until(lambda: is_listening(address))
        self._control = connect(address)
        self._control.sendall(self._message("/counts/mark"))

    def wait_for_first_mark(self) -> int:
        """The instructions until the first reply."""
        control = self._control
        self._running.child.wait_until(lambda: select.select([control], [], [], 0)[0], _START_TIMEOUT)
        receive_until(control, b"", _MARKED)
        control.close()
        return self._take_count()

    def count(self, load: Load) -> list[float]:
        """The instructions of a request, in each round."""
        opener = (http_load if self._http else socket_load)(self._running, load.workload)
        with _Segment(opener, load) as segment, connect(self._running.address) as control:
            segment.run()  # the warm-up
            receive_until(control, self._message("/counts/settle"), _MARKED)
            self._mark(control)
            empty = [self._mark(control) for _ in range(EMPTY_SEGMENTS)]
            counted = []
            for _ in range(SEGMENTS):
                segment.run()
                counted.append(self._mark(control))
        return instructions_per_request(empty, counted, load.requests)

    def _mark(self, control: socket.socket) -> int:
        """The instructions since the last mark."""
        receive_until(control, self._message("/counts/mark"), _MARKED)
        return self._take_count()

    def _message(self, path: str) -> bytes:
        token = self._running.token
        if self._http:
            return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization(token)}\r\n".encode()
        return f'{{"id":1,"path":"{path}","auth_token":"{token}"}}\n'.encode()

    def _take_count(self) -> int:
        self._marks += 1
        return _take_count(self._counts.with_suffix(f"{self._counts.suffix}.{self._marks}"))


def _start(processes: ProcessGroup, installation: Installation, folder: Path, port: int) -> ChildProcess:
    wrapper = folder / "python"
    counts = callgrind.command(f"{folder}/counts.%q{{BENCH_COUNTS}}", marker=True)
    wrapper.write_text(_WRAPPER.format(callgrind=shlex.join(counts), python=shlex.quote(installation.python)))
    wrapper.chmod(0o700)
    config = (
        LIMITS
        + SOCKET.format(app=_APP, workers=1, boot_timeout=_START_TIMEOUT)
        + _SERVICE_OPTIONS.format(name="socket")
        + HTTP.format(app=_APP, port=port, boot_timeout=_START_TIMEOUT)
        + _SERVICE_OPTIONS.format(name="http")
    )
    command = [installation.python, "-m", "bench.compare.twistd_with_interpreter", str(wrapper)]
    return start_service(processes, folder, config, installation, command)


class CountedClient:
    """A client of one revision under callgrind, with a service of the same revision that is not.

    :param kind: a key of :data:`~bench.compare.counted_client.CLIENTS`.
    """

    def __init__(
        self, processes: ProcessGroup, installation: Installation, service: RunningSystem, kind: str
    ) -> None:
        self._folder = processes.new_folder("counted")
        self._loads = CLIENTS[kind]
        socket_dir = str(service.child.folder / "run")
        program = [installation.python, "-m", "bench.compare.counted_client"]
        arguments = [kind, socket_dir, service.token, str(_CLIENT_CALLS)]
        command = [*callgrind.command(f"{self._folder}/counts", marker=True), *program, *arguments]
        self._child = processes.start("client", command, self._folder, installation.environment)

    def wait(self) -> dict[str, list[float]]:
        """Wait until the client has finished; the instructions of a call in each round, by load."""
        self._child.wait(_CLIENT_TIMEOUT)
        numbers = self._numbers()
        found = {}
        for load in self._loads:
            next(numbers)  # everything before the first mark
            empty = [next(numbers) for _ in range(EMPTY_SEGMENTS)]
            counted = [next(numbers) for _ in range(SEGMENTS)]
            found[load] = instructions_per_request(empty, counted, _CLIENT_CALLS)
        return found

    def _numbers(self) -> Iterator[int]:
        number = 0
        while True:
            number += 1
            yield _take_count(self._folder / f"counts.{number}")


class _Segment:
    """The requests of one segment; kept connections are opened once."""

    def __init__(self, open_connection: OpenConnection, load: Load) -> None:
        self._open = open_connection
        self._load = load
        self._opened = [open_connection() for _ in range(load.connections)]

    def run(self) -> None:
        """Send the requests and wait for the replies, one connection after the other."""
        if not self._opened:
            for _ in range(self._load.requests):
                send_one(self._open)
            return
        depth = self._load.depth
        for _ in range(self._load.requests // (depth * len(self._opened))):
            for client, raw in self._opened:
                client.sendall(raw.requests(depth))
                replies = 0
                while replies < depth:
                    replies += raw.count_replies(client.recv(1 << 16))

    def __enter__(self) -> _Segment:
        return self

    def __exit__(self, *details: object) -> None:
        for client, _ in self._opened:
            client.close()


def _take_count(path: Path) -> int:
    count = callgrind.total_in_file(path)
    path.unlink()
    return count
