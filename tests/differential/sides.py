"""One running revision: orchestrators with the sample application, in folders of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tests.differential.client import Address
from tests.differential.generate.socket.drafts import TOKEN

__all__ = ["INSTANCES", "Program", "Side", "SideError"]

_APP: Final = Path(__file__).with_name("app")
INSTANCES: Final = ("required", "private", "off", "shut")
_REPLACED: Final = "required/spare"
_TIMEOUT: Final = 120.0  # seconds until all services are ready, or have stopped
_ASK: Final = json.dumps({"id": 1, "auth_token": TOKEN, "path": "/services"}).encode() + b"\n"


class SideError(Exception):
    """A revision that does not serve the sample application."""


class Program(Struct, frozen=True):
    """An installed revision.

    :ivar python: its interpreter; ``twistd`` is in the same folder.
    """

    name: str
    python: Path
    environment: Mapping[str, str]

    def twistd(self, *arguments: str) -> list[str]:
        """A command line of ``twistd unixsvc``."""
        return [str(self.python.parent / "twistd"), "-n", "unixsvc", *arguments]

    def unixsvc(self, *arguments: str) -> list[str]:
        """A command line of ``unixsvc``."""
        return [str(self.python), "-m", "unixsvc", *arguments]


class Side:
    """One revision with all its services.

    :param program: the revision.
    :param folder: the working directory; it must not exist.
    :param instances: the orchestrators to start.
    """

    def __init__(self, program: Program, folder: Path, instances: Sequence[str] = INSTANCES) -> None:
        self.program = program
        self.folder = folder
        self._instances = instances
        self._ports: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._pids: dict[str, list[int]] = {}

    async def __aenter__(self) -> Side:
        try:
            for instance in self._instances:
                self._start(instance)
            async with asyncio.timeout(_TIMEOUT):
                for instance in self._instances:
                    await self._serving(instance)
            self._pids = self.workers()
        except TimeoutError:
            await self._stop()
            raise SideError(f"{self.program.name}: does not serve: see {self.folder}") from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self._stop()

    def address(self, target: str) -> Address:
        """The address of a service.

        :param target: its instance and its name; ``http`` is over TCP, ``web`` the same on a Unix socket.
        """
        instance, _, name = target.partition("/")
        if name == "http":
            return "127.0.0.1", self._ports[instance]
        folder = self.folder / instance / "run"
        return str(folder / ("web.sock" if name == "web" else f"service_{name}.sock"))

    def workers(self) -> dict[str, list[int]]:
        """The process ids of the workers of each service, which show whether one has exited."""
        found: dict[str, list[int]] = {}
        for instance in self._instances:
            status = self._ask(instance, {"id": 1, "auth_token": TOKEN, "path": "/status"})
            for name, each in (status or {}).get("data", {}).items():  # a stopped orchestrator has no status
                found[f"{instance}/{name}"] = sorted(worker["pid"] or 0 for worker in each["workers"])
        return found

    def died(self) -> list[str]:
        """The services with a worker that has exited since the start, except a replaced one."""
        now = self.workers()
        return sorted(
            name for name, pids in self._pids.items() if now.get(name) != pids and name != _REPLACED
        )

    def _start(self, instance: str) -> None:
        folder = self.folder / instance
        (folder / "tests" / "differential").mkdir(parents=True)
        shutil.copytree(
            _APP, folder / "tests" / "differential" / "app", ignore=shutil.ignore_patterns("__pycache__")
        )
        for package in ("tests", "tests/differential"):
            (folder / package / "__init__.py").touch()
        token = folder / ".auth_token"
        token.write_text(f"{TOKEN}\n")
        token.chmod(0o600)
        self._ports[instance] = _free_port()
        marks = {"PORT": self._ports[instance], "UID": os.getuid(), "OTHER_UID": os.getuid() + 1}
        text = (_APP / f"{instance}.toml").read_text()
        for name, value in marks.items():
            text = text.replace(f"@{name}@", str(value))
        (folder / "unixsvc.toml").write_text(text)
        with (self.folder / f"{instance}.log").open("wb") as log:
            self._processes[instance] = subprocess.Popen(
                self.program.twistd(),
                cwd=folder,
                env={
                    **self.program.environment,
                    "PYTHONHASHSEED": "0",
                },  # a fixed hash seed, as sets would have another order
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _serving(self, instance: str) -> None:
        """Wait until all services are ready.

        Log messages may be worded differently, so the status is used.
        """
        while not self._is_serving(instance):
            if self._processes[instance].poll() is not None:
                log = (self.folder / f"{instance}.log").read_text(errors="replace")
                raise SideError(f"{self.program.name}: {instance} has ended:\n{log[-2000:]}")
            await asyncio.sleep(0.05)

    def _is_serving(self, instance: str) -> bool:
        reply = self._ask(instance, {"id": 1, "auth_token": TOKEN, "path": "/services"})
        if reply is None or instance == "shut":
            return reply is not None
        return reply["code"] == 200 and all(each["status"] == "ready" for each in reply["data"])

    def _ask(self, instance: str, message: dict[str, Any]) -> Any:
        """The reply of the control API; None if the orchestrator does not listen."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT)
            try:
                connection.connect(str(self.folder / instance / "run" / "service_orchestrator.sock"))
                connection.sendall(json.dumps(message).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    return json.loads(lines.readline())
            except (OSError, ValueError):
                return None

    async def _stop(self) -> None:
        for each in self._processes.values():
            if each.poll() is None:
                each.send_signal(signal.SIGTERM)
        for each in self._processes.values():
            try:
                await asyncio.wait_for(asyncio.to_thread(each.wait), _TIMEOUT)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(each.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port
