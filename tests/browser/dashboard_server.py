"""The services whose live page is opened: a shop in use, and many services with generated figures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.browser import dashboard_harness
from tests.functional.orchestrator_process import OrchestratorProcess

__all__ = ["TOKEN", "Shop", "run_harness", "run_shop"]

TOKEN: Final = "5" * 64
"""The token of the operator."""

_CONFIG: Final = """
socket_dir = "run"
[services.shop]
app = "dashboard_app:shop"
workers = 3
boot_timeout = 120
[services.stock]
app = "dashboard_app:stock"
workers = 2
boot_timeout = 120
[http]
listen = ["tcp:0:interface=127.0.0.1"]
mounts = {"/products" = "shop", "/report" = "shop"}
token = "off"
boot_timeout = 120
[log]
access = "errors"
[dashboard]
listen = "tcp:0:interface=127.0.0.1"
token_file = "operator.token"
trace_link = "http://traces.example/trace/{trace_id}"
"""


@dataclass(frozen=True)
class Shop:
    """A shop that runs.

    :ivar page: the address of its live page.
    :ivar port: of its gateway.
    :ivar process: the orchestrator.
    :ivar folder: of its configuration.
    """

    page: str
    port: int
    process: OrchestratorProcess
    folder: str

    def keep_page(self) -> None:
        """Have the next orchestrator listen where the page is now."""
        file = Path(self.folder, "unixsvc.toml")
        head, _, rest = file.read_text().partition("[dashboard]")
        file.write_text(
            f"{head}[dashboard]{rest.replace('tcp:0', f'tcp:{self.page.rpartition(chr(58))[2]}')}"
        )

    def start_again(self, at_end: Callable[[Callable[[], object]], object]) -> None:
        """Start another orchestrator.

        :param at_end: called with what ends it.
        """
        running = OrchestratorProcess(self.folder)
        at_end(running.end)
        running.until("ready: ")


@contextmanager
def run_shop() -> Iterator[Shop]:
    """Run the shop; it has ended at the end of the context."""
    with TemporaryDirectory(prefix="unixsvc-dashboard-") as folder:
        Path(folder, "unixsvc.toml").write_text(_CONFIG)
        token = Path(folder, "operator.token")
        token.touch(0o600)
        token.write_text(TOKEN + "\n")
        source = Path(__file__).with_name("dashboard_app.py")
        Path(folder, source.name).write_text(source.read_text())
        running = OrchestratorProcess(folder)
        try:
            running.until("ready: ")
            listens = {each["namespace"]: each["message"] for each in running.logged("listens on")}
            found = {name: re.search(r"http://127[\d.]+:(\d+)", text) for name, text in listens.items()}
            page, gateway = found["dashboard"], found["http"]
            assert page is not None and gateway is not None
            yield Shop(page[0], int(gateway[1]), running, folder)
        finally:
            running.end()


@contextmanager
def run_harness() -> Iterator[str]:
    """Serve the live page of 50 services with 16 workers each, whose figures are generated.

    :return: its address.
    """
    command = [sys.executable, "-m", dashboard_harness.__name__]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.terminate()
