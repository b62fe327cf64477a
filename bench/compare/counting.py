"""Counts the instructions of one revision: of a worker that serves, and of clients."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench import callgrind
from bench.compare.counted_client import CLIENTS
from bench.compare.segments import EMPTY_SEGMENTS, SEGMENTS, instructions_per_request
from bench.load.generator import OpenConnection, send_one
from bench.load.raw_client import Workload, connect, receive_until
from bench.processes import Address, ChildProcess, ProcessGroup, free_port
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
    wait_for_reply,
)

__all__ = ["LOADS", "CountedClient", "CountedService", "Load"]

_APP: Final = "bench.compare.counted_app:app"
_START_TIMEOUT: Final = 300.0  # seconds; callgrind makes a program about fifty times slower
_CLIENT_TIMEOUT: Final = 300.0  # seconds
_CLIENT_CALLS: Final = 160  # in each segment
# A worker that reports late is busy, not stuck. The variable names its files of counts.
_SERVICE_OPTIONS: Final = 'watchdog = 3600.0\nenvironment = {{ BENCH_COUNTS = "{name}" }}\n'
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
)


class CountedService:
    """A service of one revision, with a worker for the socket and one for HTTP, both under callgrind.

    :ivar start: instructions of each worker until its first reply, by name.
    """

    def __init__(self, processes: ProcessGroup, installation: Installation) -> None:
        self._folder = processes.new_folder("counted")
        port = free_port()
        token = new_token(self._folder)
        child = _start(processes, installation, self._folder, port)
        self._socket = RunningSystem(child, str(self._folder / "run/service_bench.sock"), token)
        self._http = RunningSystem(child, ("127.0.0.1", port), token)
        self._marks = {"socket": 0, "http": 0}
        self.start: dict[str, int] = {}

    @property
    def child(self) -> ChildProcess:
        """The orchestrator."""
        return self._socket.child

    def wait(self) -> None:
        """Wait until both workers reply."""
        for http, name in ((False, "socket"), (True, "http")):
            wait_for_reply(self.child, self._opener(Workload(), http=http), _START_TIMEOUT)
            with connect(self._address(http=http)) as control:
                self.start[name] = self._mark(control, http=http)

    def count(self, load: Load) -> list[float]:
        """The instructions of a request, in each round."""
        opener = self._opener(load.workload, http=load.http)
        address = self._address(http=load.http)
        with _Segment(opener, load) as segment, connect(address) as control, self._orchestrator_stopped():
            segment.run()  # the warm-up
            self._control(control, "/counts/settle", http=load.http)
            self._mark(control, http=load.http)
            empty = [self._mark(control, http=load.http) for _ in range(EMPTY_SEGMENTS)]
            counted = []
            for _ in range(SEGMENTS):
                segment.run()
                counted.append(self._mark(control, http=load.http))
        return instructions_per_request(empty, counted, load.requests)

    def _address(self, *, http: bool) -> Address:
        return self._http.address if http else self._socket.address

    def _opener(self, workload: Workload, *, http: bool) -> OpenConnection:
        return http_load(self._http, workload) if http else socket_load(self._socket, workload)

    @contextmanager
    def _orchestrator_stopped(self) -> Iterator[None]:
        """Suspend the orchestrator, which asks workers for their metrics every second."""
        os.kill(self.child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.child.pid, signal.SIGCONT)

    def _mark(self, control: socket.socket, *, http: bool) -> int:
        """The instructions since the last mark."""
        self._control(control, "/counts/mark", http=http)
        name = "http" if http else "socket"
        self._marks[name] += 1
        return _take_count(self._folder / f"counts.{name}.{self._marks[name]}")

    def _control(self, control: socket.socket, path: str, *, http: bool) -> None:
        token = self._socket.token
        line = f'{{"id":1,"path":"{path}","auth_token":"{token}"}}\n'
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization(token)}\r\n"
        receive_until(control, (head if http else line).encode(), b'"user 7"}')


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
