"""An application that starts processes, and has something to do at its exit."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from unixsvc import GET, App

_FOLDER = Path(__file__).parent
_files = tempfile.TemporaryDirectory(prefix="files-", dir=_FOLDER)
_pool = ProcessPoolExecutor(2)
_pool.submit(abs, 1).result()


@atexit.register
def _at_exit() -> None:
    sys.stdout.write("the exit handler has run\n")
    if os.environ.get("HANG"):
        time.sleep(1000)


def _square(number: int) -> int:
    return number * number


def pool() -> list[int]:
    """Use processes of a pool, which are ended by TERM."""
    with multiprocessing.Pool(2) as workers:
        return workers.map(_square, range(4))


def shared() -> dict[str, Any]:
    """What a forked child has of the worker: its sockets and pipes, and its signals."""
    reading, writing = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_look, args=(writing,))
    process.start()
    found: dict[str, Any] = reading.recv()
    process.join()
    return found


def _look(connection: Connection) -> None:
    names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT")
    connection.send(
        {
            "addresses": [_address(int(number)) for number in os.listdir("/proc/self/fd")],
            "descriptors": [os.readlink(f"/proc/self/fd/{number}") for number in range(4, 8)],
            "signals": [str(signal.getsignal(getattr(signal, name))) for name in names],
            "wakeup": signal.set_wakeup_fd(-1),
            "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        }
    )


def _address(number: int) -> str:
    """The address of a socket; empty if it is none, or has none."""
    try:
        found = socket.socket(fileno=number)
    except OSError:
        return ""
    address = str(found.getsockname())
    found.detach()
    return address


def executed() -> list[str]:
    """The lines about signals of a program that is executed."""
    command = [sys.executable, "-c", "print(open('/proc/self/status').read())"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return [line for line in lines if line.startswith(("SigIgn", "SigBlk"))]


def leave() -> list[int]:
    """Leave processes behind: in the background, in a session of their own, and a daemon of another."""
    found = [
        subprocess.Popen(["sleep", "1000"]).pid,
        subprocess.Popen(["sleep", "1000"], start_new_session=True).pid,
    ]
    script = "setsid sleep 1000 > /dev/null & echo $!"
    daemon = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    return [*found, int(daemon.stdout)]


def pid() -> int:
    """The pid of the worker."""
    return os.getpid()


def zombies() -> int:
    """Leave processes behind that end at once."""
    return subprocess.run(["sh", "-c", "true & sleep 0.01 & true &"], check=True).returncode


app = App(
    [
        GET("/pool", pool, blocking=True),
        GET("/shared", shared, blocking=True),
        GET("/executed", executed),
        GET("/leave", leave),
        GET("/pid", pid),
        GET("/zombies", zombies),
    ]
)
