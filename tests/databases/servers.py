"""Database servers out of Debian's packages, each on a Unix socket in a temporary folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString

import psycopg
import redis

from tests.install_program import APT_GET

__all__ = ["PostgreSQL", "run_redis"]

_TIMEOUT: Final = 60.0  # seconds; only reached if something is broken
_USER: Final = "nobody"  # runs the servers if root runs the tests: PostgreSQL refuses to run as root


class PostgreSQL:
    """A new database cluster with the user and the database ``shop``; the socket decides who may connect.

    :ivar host: the folder of its socket.
    """

    def __init__(self) -> None:
        self._folder = _folder("unixsvc-postgresql-")
        self.host = str(self._folder)
        self._data = self._folder / "data"
        self._programs = _programs("initdb", "/usr/lib/postgresql/*/bin", "postgresql", self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--no-sync", "--auth=trust", "--username=shop", "-D", str(self._data))
        self.start()
        self.execute("CREATE DATABASE shop", "postgres")

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        settings = ("listen_addresses=", f"unix_socket_directories={self.host}", "fsync=off")
        options = [word for each in settings for word in ("-c", each)]
        command = [str(self._programs / "postgres"), "-D", str(self._data), *options]
        self._process = _start(command, self._folder)
        address = self._address("postgres")
        _wait_for(self._process, lambda: psycopg.connect(address).close(), psycopg.Error, self._folder)

    def stop(self) -> None:
        """Stop the server, without waiting for its clients."""
        if self._process is not None:
            _stop(self._process)
            self._process = None

    def connections(self) -> int:
        """The number of clients of the database."""
        return self._count("TRUE")

    def queries(self) -> int:
        """The number of queries that run in the database."""
        return self._count("state = 'active'")

    def transactions(self) -> int:
        """The number of clients that have a transaction open, and no query."""
        return self._count("state LIKE 'idle in transaction%'")

    def number(self, query: LiteralString) -> int:
        """The result of a query, which is a number."""
        with psycopg.connect(self._address("shop")) as connection:
            [number] = connection.execute(query).fetchone() or (0,)
        return int(number)

    def execute(self, statement: LiteralString, database: str = "shop") -> None:
        """Execute an SQL statement without a result."""
        with psycopg.connect(self._address(database), autocommit=True) as connection:
            connection.execute(statement)

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self._folder)

    def _address(self, database: str) -> str:
        return f"postgresql://shop@/{database}?host={self.host}"

    def _count(self, condition: LiteralString) -> int:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND pid <> pg_backend_pid() AND "
        )
        return self.number(query + condition)

    def _run(self, program: str, *arguments: str) -> None:
        process = _start([str(self._programs / program), *arguments], self._folder)
        assert not process.wait(_TIMEOUT), (self._folder / "log").read_text()


@contextmanager
def run_redis() -> Iterator[str]:
    """Run Redis; it has ended at the end of the context.

    :return: the path of its socket.
    """
    folder = _folder("unixsvc-redis-")
    programs = _programs("redis-server", "/usr/bin", "redis-server", folder)
    path = str(folder / "redis.sock")
    settings = ("--port", "0", "--unixsocket", path, "--unixsocketperm", "700", "--dir", str(folder))
    process = _start([str(programs / "redis-server"), *settings, "--save", ""], folder)
    try:
        client = redis.Redis(unix_socket_path=path)
        _wait_for(process, client.ping, redis.ConnectionError, folder)
        client.close()
        yield path
    finally:
        _stop(process)
        shutil.rmtree(folder)


def _folder(prefix: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if os.geteuid() == 0:
        shutil.chown(folder, _USER)
    return folder


def _programs(name: str, installed: str, package: str, folder: Path) -> Path:
    """The folder of a program; if it is not installed, that of its package, which is not installed either.

    Installing the package would start a server.
    """
    pattern = f"{installed}/{name}".lstrip("/")
    found = sorted(Path("/").glob(pattern))
    if not found:
        packages, root = folder / "packages", folder / "root"
        (packages / "partial").mkdir(parents=True)
        download = [
            *APT_GET, "install", "--yes", "--no-install-recommends", "--download-only",
            "-o", "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={packages}", package,
        ]  # fmt: skip
        if subprocess.run(download, capture_output=True).returncode:
            if os.geteuid() == 0:
                subprocess.run([*APT_GET, "update"], check=True)
            subprocess.run(download, check=True)
        for each in packages.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", each, root], check=True)
        found = sorted(root.glob(pattern))
    return found[-1].parent


def _start(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    libraries = os.pathsep.join(map(str, folder.glob("root/usr/lib/*-linux-gnu")))
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "LD_LIBRARY_PATH": libraries, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=_USER if os.geteuid() == 0 else None,
        )


def _wait_for(
    process: subprocess.Popen[bytes], connect: Callable[[], object], error: type[Exception], folder: Path
) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            connect()
        except error:
            log = (folder / "log").read_text()
            assert process.poll() is None and time.monotonic() < deadline, log
            time.sleep(0.05)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
    try:
        process.wait(_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
