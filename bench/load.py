"""A load generator that costs as little as Python allows: prepared bytes, one system call each way."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence

from msgspec import Struct

__all__ = ["Load", "measure_latency", "measure_rate"]


class Load(Struct, frozen=True):
    """What a round came to.

    :ivar rate: replies a second.
    :ivar own_share: of one core, that the generator itself used.
    """

    rate: float
    own_share: float


def measure_rate(path: str, message: bytes, reply: bytes, connections: int, seconds: float) -> Load:
    """Keep a number of connections busy, each with one request at a time.

    :param message: what each request is.
    :param reply: what each must be answered with.
    :raises RuntimeError: for any other reply.
    """
    clients = [_connect(path) for _ in range(connections)]
    calls = {each.fileno(): (each.recv, each.send) for each in clients}
    poll = select.epoll()
    for each in clients:
        poll.register(each.fileno(), select.EPOLLIN)
        each.send(message)
    count, started, cpu = 0, time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - started) < seconds:
        ready = poll.poll()
        for descriptor, _ in ready:
            receive, send = calls[descriptor]
            if receive(4096) != reply:
                raise RuntimeError("a wrong reply")
            send(message)
        count += len(ready)
    for each in clients:
        each.close()
    return Load(count / elapsed, (time.process_time() - cpu) / elapsed)


def measure_latency(path: str, message: bytes, count: int) -> Sequence[float]:
    """The seconds that each of a number of requests took, one after the other, sorted."""
    client = _connect(path)
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        client.send(message)
        client.recv(4096)
        taken.append(time.perf_counter() - started)
    client.close()
    return sorted(taken)


def _connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(path)
    return client
