"""The tests of all clients, and those of each."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from tests.functional import client_fault_suite as suite  # a class that is imported itself would be run
from tests.functional.client_drivers import AioDriver, BlockingDriver, TwistedDriver
from unixsvc.blocking import Client


class TwistedTests(suite.Suite):
    """The client for Twisted."""

    driver = TwistedDriver

    def test_cancel(self) -> None:
        """Cancelling the Deferred cancels the action."""
        self.assertCancels()


class AioTests(suite.Suite):
    """The client for asyncio."""

    driver = AioDriver

    def test_cancel(self) -> None:
        """Cancelling the task cancels the action."""
        self.assertCancels()

    def test_program(self) -> None:
        """It imports no Twisted, and works on asyncio's loop and on uvloop, one after the other."""
        self.start()
        self.assertEqual(self.run_program(_AIO_PROGRAM), "{'id': 7} {'id': 8} {'id': 9} []\n")


class BlockingTests(suite.Suite):
    """The client for scripts and threads."""

    driver = BlockingDriver

    def own(self) -> Client:
        """Make a client for this thread."""
        client = Client("codes", socket_dir=os.path.join(self.folder, "run"), token=self.token())
        self.addCleanup(client.close)
        return client

    def test_program(self) -> None:
        """It imports neither Twisted nor asyncio."""
        self.start()
        self.assertEqual(self.run_program(_BLOCKING_PROGRAM), "{'id': 7} []\n")

    def test_threads(self) -> None:
        """Eight threads make 500 calls each, and each gets its own replies."""
        self.start()
        client, wrong = self.own(), list[Any]()

        def work(number: int) -> None:
            for each in range(number * 1000, number * 1000 + 500):
                if (answer := client.get(f"/item/{each}")) != {"id": each}:
                    wrong.append(answer)
            done.append(number)

        done: list[int] = []
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual((wrong, sorted(done)), ([], list(range(8))))

    def test_fork(self) -> None:
        """A child process uses connections of its own, also if a thread held the lock during the fork."""
        self.start()
        client = self.own()
        self.assertEqual(client.get("/peer")["pid"], os.getpid())
        before = set(_sockets())
        held, over = threading.Event(), threading.Event()

        def hold() -> None:
            with client._pool.lock:
                held.set()
                over.wait(10.0)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10.0)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if client.get("/peer")["pid"] == os.getpid() else 2
            finally:
                os._exit(code)
        try:
            self.assertEndsWell(child)
        finally:
            over.set()
            holder.join()
        self.assertEqual(client.get("/peer")["pid"], os.getpid())
        self.assertEqual(set(_sockets()), before)

    def test_fork_in_a_stream(self) -> None:
        """A stream belongs to the process that has requested it."""
        self.start()
        client = Client("call_log", socket_dir=os.path.join(self.folder, "run"), token=self.token())
        self.addCleanup(client.close)
        stream = client.stream("GET", "/numbers", {"count": 1000})
        self.assertEqual(next(stream), 0)
        child = os.fork()
        if child == 0:
            try:
                list(stream)
            except Exception:  # Unavailable
                del stream
                os._exit(0)
            finally:
                os._exit(1)
        self.assertEndsWell(child)
        self.assertEqual(list(stream), list(range(1, 1000)))

    def assertEndsWell(self, child: int) -> None:
        """A child process exits soon, with success."""
        deadline, ended = time.monotonic() + 10.0, (0, 0)
        while ended == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.01)
            ended = os.waitpid(child, os.WNOHANG)
        if ended == (0, 0):
            os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)
        self.assertEqual(ended, (child, 0))

    def test_interrupt(self) -> None:
        """Ctrl-C during a call is raised there, cancels the action, and the client can still be used."""
        self.start()
        client = self.own()
        client.get("/item/7")
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        started = time.monotonic()
        with self.assertRaises(KeyboardInterrupt):
            client.get("/never")
        self.assertLess(time.monotonic() - started, 0.5)
        self.assertEqual(client.get("/item/8"), {"id": 8})
        self.eventually(lambda: self.codes().get("499"), 2.0)

    def test_idle(self) -> None:
        """An idle connection that the service has closed is not used, not even for a POST."""
        self.start()
        client = self.own()
        pen: dict[str, Any] = {"name": "Pen", "price": 1.5}
        for _ in range(3):
            self.assertEqual(client.post("/item", **pen), pen)
            self.assertDone("reload", "codes")
            self.assertEqual(client.post("/item", **pen), pen)
            os.kill(self.worker_pids()[0], signal.SIGKILL)
            self.eventually(self.worker_pids)
            self.assertEqual(client.post("/item", **pen), pen)


def _sockets() -> list[str]:
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            found.append(f"{each.name} {os.readlink(each)}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return [each for each in found if "socket" in each]


_LOOK = 'sorted(name for name in sys.modules if name.split(".")[0] in {})'
_AIO_PROGRAM = f"""
import asyncio, sys
from unixsvc.aio import Client
client = Client("codes")
async def main(number):
    return await client.get(f"/item/{{number}}")
first, second = asyncio.run(main(7)), asyncio.run(main(8))
import uvloop
third = uvloop.run(main(9))
print(first, second, third, {_LOOK.format('{"twisted"}')})
"""
_BLOCKING_PROGRAM = f"""
import sys
from unixsvc.blocking import Client
with Client("codes") as client:
    print(client.get("/item/7"), {_LOOK.format('{"twisted", "asyncio"}')})
"""
