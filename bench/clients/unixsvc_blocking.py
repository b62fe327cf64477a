"""``unixsvc.blocking.Client``, one call at a time; arguments: socket directory, token, seconds."""

from __future__ import annotations

import sys

from bench.clients.concurrent_calls import BATCH, CallCounter, check_result
from unixsvc.blocking import Client


def _main(socket_dir: str, token: str, seconds: str) -> None:
    with Client("bench", socket_dir=socket_dir, token=token) as client:
        check_result(client.get("/user/7"))
        counter = CallCounter(float(seconds))
        over = False
        while not over:
            for _ in range(BATCH):
                client.get("/user/7")
            over = counter.count(BATCH)
        counter.write_result()


if __name__ == "__main__":
    _main(*sys.argv[1:])
