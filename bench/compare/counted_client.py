"""A client under callgrind; arguments: its kind, a socket directory, a token, calls in each segment.

For each number of concurrent calls it marks counts in the order that :mod:`bench.compare.segments` reads.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from bench import callgrind
from bench.clients.concurrent_calls import check_result
from bench.compare.segments import EMPTY_SEGMENTS, SEGMENTS

__all__ = ["CLIENTS", "CONCURRENCY"]

CONCURRENCY: Final = 16
_PATH: Final = "/user/7"


def _settle() -> None:
    """Begin to count, after the warm-up."""
    callgrind.settle()
    for _ in range(1 + EMPTY_SEGMENTS):
        callgrind.mark()


async def _run(make_calls: Callable[[], Awaitable[object]], repetitions: int) -> None:
    for number in range(1 + SEGMENTS):  # the first is a warm-up
        for _ in range(repetitions):
            await make_calls()
        if number == 0:
            _settle()
        else:
            callgrind.mark()


async def _twisted(socket_dir: str, token: str, calls: int) -> None:
    from twisted.internet.defer import gatherResults

    from unixsvc import Client

    async with Client("bench", socket_dir=socket_dir, token=token) as client:
        check_result(await client.get(_PATH))
        await _run(lambda: client.get(_PATH), calls)
        await _run(
            lambda: gatherResults([client.get(_PATH) for _ in range(CONCURRENCY)]), calls // CONCURRENCY
        )


async def _aio(socket_dir: str, token: str, calls: int) -> None:
    from unixsvc.aio import Client

    async with Client("bench", socket_dir=socket_dir, token=token) as client:
        check_result(await client.get(_PATH))
        await _run(lambda: client.get(_PATH), calls)
        await _run(
            lambda: asyncio.gather(*[client.get(_PATH) for _ in range(CONCURRENCY)]), calls // CONCURRENCY
        )


def _run_twisted(socket_dir: str, token: str, calls: int) -> None:
    import uvloop
    from twisted.internet import asyncioreactor

    asyncioreactor.install(uvloop.new_event_loop())
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    react(lambda reactor: Deferred.fromCoroutine(_twisted(socket_dir, token, calls)), [])


def _run_aio(socket_dir: str, token: str, calls: int) -> None:
    import uvloop

    uvloop.run(_aio(socket_dir, token, calls))


def _run_blocking(socket_dir: str, token: str, calls: int) -> None:
    from unixsvc.blocking import Client

    with Client("bench", socket_dir=socket_dir, token=token) as client:
        check_result(client.get(_PATH))
        for number in range(1 + SEGMENTS):  # the first is a warm-up
            for _ in range(calls):
                client.get(_PATH)
            if number == 0:
                _settle()
            else:
                callgrind.mark()


# The loads of each client, in the order in which it runs them.
CLIENTS: Final[dict[str, tuple[str, ...]]] = {
    "twisted": ("Twisted client", f"Twisted client, {CONCURRENCY} calls at a time"),
    "aio": ("asyncio client", f"asyncio client, {CONCURRENCY} calls at a time"),
    "blocking": ("blocking client",),
}
_RUN: Final = {"twisted": _run_twisted, "aio": _run_aio, "blocking": _run_blocking}

if __name__ == "__main__":
    _RUN[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))
