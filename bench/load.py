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
from typing import Protocol

from msgspec import Struct

from bench.children import Broken

__all__ = ["Open", "Sample", "Talker", "measure_connects", "measure_latency", "measure_rate"]

_SILENCE = 20.0  # seconds without a single reply that are a failure
_SMALL, _LARGE = 1 << 16, 1 << 19  # what one call may read


class Talker(Protocol):
    """One connection's part of a conversation.

    :ivar message: a request, where there is one at a time.
    :ivar reply: what answers it, if that is known; it spares the counting.
    """

    message: bytes
    reply: bytes

    def ask(self, count: int) -> bytes:
        """So many further requests."""

    def heard(self, data: bytes) -> int:
        """How many replies are complete by this, that were not before.

        :raises Broken: if it is none.
        """


Open = Callable[[], tuple[socket.socket, Talker]]


class Sample(Struct, frozen=True):
    """What one measurement came to.

    :ivar value: in whatever is measured; for loads, replies a second.
    :ivar own: of a core, that the generator itself used; it is no figure of the service if that is near 1.
    :ivar count: of replies.
    :ivar detail: what else was seen.
    """

    value: float
    own: float | None = None
    count: int = 0
    detail: dict[str, float] = {}


def measure_rate(open_one: Open, connections: int, depth: int, seconds: float) -> Sample:
    """Keep connections busy, each with ``depth`` requests at a time.

    :raises Broken: for a wrong reply, or when there is none any more.
    """
    opened = [open_one() for _ in range(connections)]
    try:
        return _keep_busy(opened, depth, seconds)
    finally:
        for client, _ in opened:
            client.close()


def _keep_busy(opened: list[tuple[socket.socket, Talker]], depth: int, seconds: float) -> Sample:
    calls = {client.fileno(): (client.recv, client.sendall, talker) for client, talker in opened}
    size = _LARGE if len(opened[0][1].message) > _SMALL else _SMALL
    poll = select.epoll()
    gc.disable()
    try:
        for client, talker in opened:
            poll.register(client.fileno(), select.EPOLLIN)
            client.sendall(talker.ask(depth))
        count, started, cpu = 0, time.perf_counter(), time.process_time()
        while (elapsed := time.perf_counter() - started) < seconds:
            ready = poll.poll(_SILENCE)
            if not ready:
                raise Broken(f"no reply within {_SILENCE:.0f} s, after {count}")
            for descriptor, _ in ready:
                receive, send, talker = calls[descriptor]
                data = receive(size)
                if data == talker.reply:
                    send(talker.message)
                    count += 1
                elif done := talker.heard(data):
                    send(talker.ask(done))
                    count += done
        return Sample(count / elapsed, (time.process_time() - cpu) / elapsed, count)
    finally:
        gc.enable()
        poll.close()


def measure_latency(open_one: Open, seconds: float) -> Sample:
    """Ask on one connection, in a client that blocks.

    :returns: its detail has the microseconds within which so many of a hundred requests were answered.
    """
    client, talker = open_one()
    taken = []
    with client:
        receive, send, clock, heard = client.recv, client.sendall, time.perf_counter, talker.heard
        gc.disable()
        end, cpu, suspended = clock() + seconds, time.process_time(), clock()
        started = suspended
        while started < end:
            send(talker.ask(1))
            while not heard(receive(_SMALL)):
                pass
            now = clock()
            taken.append(now - started)
            started = now
        gc.enable()
    own = (time.process_time() - cpu) / (started - suspended)
    rate = len(taken) / (started - suspended)
    taken.sort()
    detail = {f"{share} % µs": 1e6 * taken[len(taken) * share // 100] for share in (50, 90, 99)}
    return Sample(rate, own, len(taken), detail)


def measure_connects(open_one: Open, clients: int, seconds: float) -> Sample:
    """Ask once on each connection, in so many processes that block."""
    context = multiprocessing.get_context("fork")
    ends = [context.Pipe(duplex=False) for _ in range(clients)]
    processes = [context.Process(target=_connect_often, args=(open_one, seconds, end)) for _, end in ends]
    for process, (_, end) in zip(processes, ends, strict=True):
        process.start()
        end.close()
    try:
        told = [_told(reader, seconds) for reader, _ in ends]
    finally:
        for process in processes:
            process.join()
    counts, rates, owns = zip(*told, strict=True)
    return Sample(sum(rates), sum(owns), sum(counts))


def _told(reader: Connection, seconds: float) -> tuple[int, float, float]:
    if not reader.poll(seconds + 2 * _SILENCE):
        raise Broken("a client that connects for each request has stopped")
    try:
        told: tuple[int, float, float] | str = reader.recv()
    except EOFError:
        raise Broken("a client that connects for each request has died") from None
    if isinstance(told, str):
        raise Broken(told)
    return told


def _connect_often(open_one: Open, seconds: float, told: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends soon, and the parent waits
    count, started, cpu = 0, time.perf_counter(), time.process_time()
    try:
        while (elapsed := time.perf_counter() - started) < seconds:
            client, talker = open_one()
            with client:
                client.sendall(talker.ask(1))
                while not talker.heard(client.recv(_SMALL)):
                    pass
            count += 1
    except (OSError, Broken) as error:
        told.send(f"connecting for each request: {error}")
    else:
        told.send((count, count / elapsed, (time.process_time() - cpu) / elapsed))
