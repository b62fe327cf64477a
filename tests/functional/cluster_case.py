"""A test with several hosts: orchestrators with folders of their own, and NATS servers."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.functional.nats_server import NatsServer
from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase

__all__ = ["ClusterTestCase", "Host"]


class Host(OrchestratorTestCase):
    """One host of a test: has the methods of a test with one orchestrator.

    :ivar running: the orchestrator.
    """

    running: OrchestratorProcess

    def runTest(self) -> None:
        """It is no test of its own."""


class ClusterTestCase(OrchestratorTestCase):
    """A test whose hosts are folders; all processes end with it.

    :cvar servers: the number of NATS servers.
    """

    servers = 1

    def setUp(self) -> None:
        """Start the servers."""
        super().setUp()
        self.nats: list[NatsServer] = []
        for number in range(self.servers):
            self.nats.append(self.server(f"n{number + 1}"))
        self.hosts: dict[str, Host] = {}

    def server(self, name: str, **options: Any) -> NatsServer:
        """Start a NATS server that joins the others."""
        server = NatsServer(name, self.nats, **options)
        self.addCleanup(server.end)
        return server

    def host(self, name: str, config: str, *, nats: str = "", ready: bool = True) -> Host:
        """Start a host.

        :param config: its services, which other hosts may call.
        :param nats: further keys of ``[nats]``.
        """
        host = Host()
        host.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, host.folder)
        for each in Path(self.folder).glob("*.py"):
            shutil.copy(each, host.folder)
        urls = [each.url for each in self.nats]
        host.configure(f'{config}[nats]\nservers = {urls}\nhost = "{name}"\nexport = ["*"]\n{nats}')
        self.addCleanup(host.doCleanups)
        host.running = host.start(ready=ready)
        self.hosts[name] = host
        return host
