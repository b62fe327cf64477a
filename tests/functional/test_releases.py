"""Releases side by side, as their page describes them: virtual environments, and a link to one."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import subprocess
import threading
import venv
from pathlib import Path
from typing import Final

from tests.examples.blocks import ROOT, Block, examples_of
from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase
from tests.functional.systemd_case import MachineTestCase

_PAGE: Final = ROOT / "docs" / "how-to" / "releases.rst"
_APP: Final = """
import os, sys
from unixsvc import GET, App

class Store:
    pass

def ping(store: Store) -> None:
    {ping}

{more}

def version() -> dict:
    return {{"version": "{version}", "environment": sys.prefix}}

def item(id: int) -> dict:
    return {{"id": id}}

app = App(
    routes=[GET("/version", version), GET("/item/{{id:int}}", item)],
    container=lambda registry, context: registry.register_factory(Store, Store, ping=ping),
)
"""

# Longer than stable_after.
_DIES: Final = (
    "import threading\ntimer = threading.Timer(3, os._exit, [9])\ntimer.daemon = True\ntimer.start()\n"
)


def _blocks(language: str) -> list[Block]:
    found: list[Block] = []
    for example in examples_of(_PAGE, found.append):
        example.evaluate()
    return [block for block in found if block.language == language]


def _application(version: str) -> str:
    """The module of a release; ``sick`` fails its health check, ``dies`` exits after some seconds."""
    ping = 'raise RuntimeError("the store is away")' if version == "sick" else "pass"
    more = _DIES if version == "dies" else ""
    return _APP.format(version=version, ping=ping, more=more)


class HostTests(MachineTestCase):
    """The whole page, under systemd."""

    def release(self, version: str) -> None:
        """Make a release."""
        folder = f"/opt/shop/releases/{version}"
        self.machine.make_environment(folder)
        self.machine.write(f"{folder}/packages/shop.py", _application(version))

    def switch(self, version: str) -> list[str]:
        """The page's command, for any version."""
        return ["/opt/shop/switch-release", version]

    def assert_serves(self, version: str) -> None:
        """The release is served, by its own interpreter."""
        answer = f'{{"version": "{version}", "environment": "/opt/shop/releases/{version}"}}'
        self.assertEqual(self.call("/version", service="shop"), answer)
        self.assertEqual(self.machine.run("readlink", "/opt/shop/current"), f"/opt/shop/releases/{version}")

    def test_page(self) -> None:
        """No call is lost by new and faulty releases, and by going back; one that does not last is left."""
        for version in "1", "2", "sick", "other":
            self.release(version)
        # It has another version of unixsvc.
        metadata = "Metadata-Version: 2.1\nName: unixsvc\nVersion: 99\n"
        self.machine.write("/opt/shop/releases/other/packages/unixsvc-99.dist-info/METADATA", metadata)
        self.machine.write("/etc/unixsvc/db-password", "hunter2")
        self.add_drop_ins("unixsvc", ["credentials"])
        [configuration] = [each for each in _blocks("toml") if each.caption.startswith("/")]
        credential = 'options.password = "${credential:db-password}"\n'
        self.machine.write(configuration.caption, configuration.source + credential)
        self.follow("releases", "Deploy a new version and go back", "The unit is that of")
        self.follow("releases", "Start with the first one")
        self.assert_serves("1")
        load = self.load("shop")
        self.follow("releases", "Switch")
        self.assert_serves("2")
        for faulty in "sick", "other":
            self.assertIn("cannot start", self.machine.fails(*self.switch(faulty)))
            self.assert_serves("2")
        log = self.machine.path("/var/log/unixsvc.out").read_text()
        self.assertIn("the store is away", log)
        self.assertRegex(log, "releases/other/bin/python: has unixsvc 99, and the orchestrator")
        self.follow("releases", "Go back")
        self.follow("releases", "Remove old releases")
        self.assert_serves("1")
        load.further(50)
        outcome = load.stop()
        self.assertEqual((outcome.failures, outcome.failed), (0, []))
        self.release("dies")
        options = ["-p", "/opt/shop", "-s", "unixsvc.service", "-u", "unixsvc", "-w", "6", "dies"]
        files = ["--config", configuration.caption] * 2
        self.assertIn("does not last", self.machine.fails("/opt/shop/switch-release", *options, *files))
        self.assert_serves("1")


class InterpreterTests(OrchestratorTestCase):
    """The key ``python``."""

    config = 'python = "current/bin/python"\n[services.shop]\napp = "shop:app"\nworkers = 2\n'

    def setUp(self) -> None:
        """Make releases."""
        super().setUp()
        for version in "1", "2", "sick":
            folder = Path(self.folder, "releases", version)
            venv.create(folder, with_pip=False, symlinks=True)
            [packages] = folder.glob("lib/python3*/site-packages")
            packages.joinpath("shop.py").write_text(_application(version))
        self.link("1")

    def link(self, version: str) -> None:
        """Let the link lead to a release."""
        os.symlink(f"releases/{version}", os.path.join(self.folder, "next"))
        os.rename(os.path.join(self.folder, "next"), os.path.join(self.folder, "current"))

    def serving(self) -> tuple[str, str]:
        """The version that answers, and the name of its environment."""
        answer = self.ask("shop", "/version")
        return answer["version"], os.path.basename(answer["environment"])

    def test_reload(self) -> None:
        """A reload follows the link; if that fails, also workers that die later run the old release."""
        self.start()
        self.assertEqual(self.serving(), ("1", "1"))
        load = self.load("shop")
        self.link("2")
        self.assertDone("reload")
        self.assertEqual(self.serving(), ("2", "2"))
        self.link("sick")
        self.assertRefuses(4, ["reload"], "the store is away")
        self.assertEqual(self.serving(), ("2", "2"))
        self.assert_no_call_lost(load)
        before = self.worker_pids("shop")
        os.kill(before[0], signal.SIGKILL)
        self.eventually(lambda: len({*self.worker_pids("shop")} - {*before}) == 1)
        self.assertEqual({self.serving() for _ in range(10)}, {("2", "2")})
        self.link("1")
        self.assertDone("reload")
        self.assertEqual(self.serving(), ("1", "1"))

    def test_missing(self) -> None:
        """An interpreter that does not exist is one line, at the start and at a reload."""
        os.unlink(os.path.join(self.folder, "current"))
        running = self.start(ready=False)
        self.assertEqual((running.wait(), running.errors.count("\n")), (2, 1))
        self.assertIn("current/bin/python is no program", running.errors)


class BlueGreenTests(OrchestratorTestCase):
    """Two orchestrators, and the gateway in a third."""

    def test_switch(self) -> None:
        """The commands of the page switch the gateway from one to the other; no request is lost."""
        for block in _blocks("toml"):
            if not block.caption.startswith("/"):
                text = block.source.replace("tcp:8080", "tcp:0")
                Path(self.folder, block.caption).write_text(text)
        for color in "blue", "green":
            Path(self.folder, f"{color}.py").write_text(_application(color))
            self.start("--config", f"{color}.toml")
        port = self.port_of(self.start("--config", "gateway.toml"))
        token = Path(self.folder, "token").read_text().strip()
        clients = Clients(port, token)
        self.addCleanup(clients.stop)
        self.eventually(lambda: len(clients.answers) > 20)
        for line in _blocks("console")[-1].source.splitlines():
            words = shlex.split(line.removeprefix("$ "))
            if words[0] == "unixsvc":
                self.assertDone(*words[1:])
            else:
                subprocess.run(words, cwd=self.folder, check=True)
        switched = len(clients.answers)
        self.eventually(lambda: len(clients.answers) > switched + 20)
        clients.stop()
        self.assertEqual(clients.failures, [])
        self.assertEqual(clients.answers[0], "blue")
        self.assertEqual({*clients.answers[switched + 5 :]}, {"green"})

    def port_of(self, gateway: OrchestratorProcess) -> int:
        """The port that the gateway has got."""
        found = re.search(r"http://[^ ,]*:(\d+)", gateway.until("listens on")["message"])
        assert found is not None
        return int(found[1])


class Clients:
    """Four threads that send requests over HTTP, each on a connection of its own.

    :ivar answers: the versions that have answered, in their order.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._stopped = threading.Event()
        self.answers: list[str] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Wait for the last answers."""
        self._stopped.set()
        for each in self._threads:
            each.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.answers.append(self._request())
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(repr(error))

    def _request(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", "/shop/version", headers={"Authorization": f"Bearer {self._token}"})
            response = connection.getresponse()
            body = response.read().decode()
            found = re.search(r'"version": ?"(\w+)"', body)
            if response.status != 200 or found is None:
                raise ValueError(f"{response.status}: {body}")
            return found[1]
        finally:
            connection.close()
