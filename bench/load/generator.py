"""A load generator that costs as little as Python allows: prepared bytes, one system call each way."""

from __future__ import annotations

import gc
import multiprocessing
import select
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final, Protocol

from msgspec import Struct

from bench.processes import BenchError

__all__ = [
    "OpenConnection",
    "RawClient",
    "Sample",
    "measure_latency",
    "measure_rate",
    "measure_reconnects",
    "send_one",
]

_REPLY_TIMEOUT: Final = 20.0  # seconds
_SMALL_READ, _LARGE_READ = 1 << 16, 1 << 19  # bytes


class RawClient(Protocol):
    """Prepared requests for one connection, and a counter of its replies.

    :ivar message: one request, for loads with one request at a time.
    :ivar reply: its reply, where the bytes are known in advance; comparing is cheaper than counting.
    """

    message: bytes
    reply: bytes

    def requests(self, count: int) -> bytes:
        """The bytes of the next requests."""

    def count_replies(self, data: bytes) -> int:
        """The number of replies that these bytes complete.

        :raises BenchError: for a reply that is not the expected one.
        """


OpenConnection = Callable[[], tuple[socket.socket, RawClient]]


class Sample(Struct, frozen=True):
    """The result of one measurement.

    :ivar value: in the unit of the measurement; for loads, replies per second.
    :ivar generator_cpu: share of a core that the load generator used. Near 1 the generator is the limit, and
        the value says nothing about the service.
    :ivar count: number of replies.
    :ivar detail: further figures, by name.
    """

    value: float
    generator_cpu: float | None = None
    count: int = 0
    detail: dict[str, float] = {}


def send_one(open_connection: OpenConnection) -> None:
    """Send one request on a new connection and wait for its reply.

    :raises BenchError: for a wrong reply.
    """
    client, raw = open_connection()
    with client:
        client.sendall(raw.requests(1))
        while not raw.count_replies(client.recv(_SMALL_READ)):
            pass


def measure_rate(open_connection: OpenConnection, connections: int, depth: int, seconds: float) -> Sample:
    """Keep connections busy.

    :param depth: requests in flight on each connection.
    :raises BenchError: for a wrong reply, or if no reply comes in time.
    """
    opened = [open_connection() for _ in range(connections)]
    try:
        return _keep_busy(opened, depth, seconds)
    finally:
        for client, _ in opened:
            client.close()


def _keep_busy(opened: list[tuple[socket.socket, RawClient]], depth: int, seconds: float) -> Sample:
    calls = {client.fileno(): (client.recv, client.sendall, raw) for client, raw in opened}
    size = _LARGE_READ if len(opened[0][1].message) > _SMALL_READ else _SMALL_READ
    poll = select.epoll()
    gc.disable()
    try:
        for client, raw in opened:
            poll.register(client.fileno(), select.EPOLLIN)
            client.sendall(raw.requests(depth))
        count, start, cpu = 0, time.perf_counter(), time.process_time()
        while (elapsed := time.perf_counter() - start) < seconds:
            readable = poll.poll(_REPLY_TIMEOUT)
            if not readable:
                raise BenchError(f"no reply within {_REPLY_TIMEOUT:.0f} s, after {count} replies")
            for descriptor, _ in readable:
                receive, send, raw = calls[descriptor]
                data = receive(size)
                if data == raw.reply:
                    send(raw.message)
                    count += 1
                elif complete := raw.count_replies(data):
                    send(raw.requests(complete))
                    count += complete
        return Sample(count / elapsed, (time.process_time() - cpu) / elapsed, count)
    finally:
        gc.enable()
        poll.close()


def measure_latency(open_connection: OpenConnection, seconds: float) -> Sample:
    """Send one request at a time on one blocking connection.

    :returns: its detail holds the 50th, 90th and 99th percentile of the latency, in microseconds.
    """
    client, raw = open_connection()
    latencies = []
    with client:
        receive, send, clock, count_replies = (
            client.recv,
            client.sendall,
            time.perf_counter,
            raw.count_replies,
        )
        gc.disable()
        end, cpu, start = clock() + seconds, time.process_time(), clock()
        sent = start
        while sent < end:
            send(raw.requests(1))
            while not count_replies(receive(_SMALL_READ)):
                pass
            now = clock()
            latencies.append(now - sent)
            sent = now
        gc.enable()
    elapsed = sent - start
    generator_cpu = (time.process_time() - cpu) / elapsed
    latencies.sort()
    detail = {f"{share} % µs": 1e6 * latencies[len(latencies) * share // 100] for share in (50, 90, 99)}
    return Sample(len(latencies) / elapsed, generator_cpu, len(latencies), detail)


def measure_reconnects(open_connection: OpenConnection, clients: int, seconds: float) -> Sample:
    """Open a connection for each request.

    :param clients: number of blocking client processes.
    """
    context = multiprocessing.get_context("fork")
    ends = [context.Pipe(duplex=False) for _ in range(clients)]
    processes = [
        context.Process(target=_reconnect, args=(open_connection, seconds, sender)) for _, sender in ends
    ]
    for process, (_, sender) in zip(processes, ends, strict=True):
        process.start()
        sender.close()
    try:
        results = [_client_result(receiver, seconds) for receiver, _ in ends]
    finally:
        for process in processes:
            process.join()
    counts, rates, shares = zip(*results, strict=True)
    return Sample(sum(rates), sum(shares), sum(counts))


def _client_result(receiver: Connection, seconds: float) -> tuple[int, float, float]:
    if not receiver.poll(seconds + 2 * _REPLY_TIMEOUT):
        raise BenchError("a client that connects for each request has stopped")
    try:
        result: tuple[int, float, float] | str = receiver.recv()
    except EOFError:
        raise BenchError("a client that connects for each request has died") from None
    if isinstance(result, str):
        raise BenchError(result)
    return result


def _reconnect(open_connection: OpenConnection, seconds: float, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and waits for this process
    count, start, cpu = 0, time.perf_counter(), time.process_time()
    try:
        while (elapsed := time.perf_counter() - start) < seconds:
            send_one(open_connection)
            count += 1
    except (OSError, BenchError) as error:
        sender.send(f"connecting for each request: {error}")
    else:
        sender.send((count, count / elapsed, (time.process_time() - cpu) / elapsed))
