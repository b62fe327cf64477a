"""The container image works on a read-only root, as another user than root, and as process 1."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.packaging.container import UID, Container, Image, build_image
from tests.packaging.environments import copy_source

_HEALTH = ("unixsvc", "health", "--ready")
_GET = """
import sys, urllib.request as r
headers = {"Authorization": "Bearer " + sys.argv[2]}
print(r.urlopen(r.Request("http://127.0.0.1:8080" + sys.argv[1], headers=headers)).read().decode())
"""
_ORPHAN = "(sleep 0.1 &) ; exit 0"
_ZOMBIES = "cat /proc/[0-9]*/stat | grep -c ' Z ' || true"


# It is removed at exit.
_FOLDER = tempfile.TemporaryDirectory(prefix="unixsvc-")


@cache
def _build() -> tuple[Path, Image]:
    """The image, and a folder for volumes."""
    folder = Path(_FOLDER.name)
    folder.chmod(0o755)
    source = copy_source(folder / "source")
    return folder, build_image(source / "Dockerfile", source, folder)


class ContainerTests(SynchronousTestCase):
    """The steps of the Dockerfile and of the compose files, without an engine."""

    def setUp(self) -> None:
        """Build the image, once."""
        self.folder, self.image = _build()

    def volume(self, name: str) -> Path:
        """A new volume, with the owner of the folder in the image."""
        path = Path(tempfile.mkdtemp(prefix=name, dir=self.folder))
        path.chmod(0o700)
        os.chown(path, UID, UID)
        return path

    def start(self, mounts: list[str], *options: str) -> Container:
        """Start a container."""
        log = Path(tempfile.mkstemp(dir=self.folder)[1])
        command = [*self.image.command("CMD"), *options]
        container = Container(self.image, command, [*mounts, "tmpfs:/tmp"], log)
        self.addCleanup(container.kill)
        return container

    def get(self, container: Container, path: str, *options: str) -> object:
        """A result over HTTP, with the token."""
        token = container.execute("unixsvc", "token", "show", *options).stdout.strip()
        done = container.execute("python", "-c", _GET, path, token)
        self.assertEqual(done.returncode, 0, done.stderr + container.log)
        return json.loads(done.stdout)

    def test_single(self) -> None:
        """The image serves all, is healthy, reaps orphans, writes to its volumes only, and ends with 0."""
        data = self.volume("data")
        container = self.start(["tmpfs:/run/unixsvc", f"{data}:/var/lib/unixsvc"])
        health = self.image.command("HEALTHCHECK")
        self.assertEqual(health, [*_HEALTH])
        container.wait_until_healthy(*health)
        self.assertEqual(self.get(container, "/users/1"), {"id": 1, "name": "Zeki"})
        self.assertIn("Read-only", container.execute("touch", "/opt/x").stderr)
        self.assertEqual(container.execute("id", "-u").stdout, f"{UID}\n")
        self.assertIn("twistd", container.execute("cat", "/proc/1/cmdline").stdout)
        container.execute("sh", "-c", _ORPHAN)
        self.assertEqual(container.execute("sh", "-c", f"sleep 1; {_ZOMBIES}").stdout, "0\n")
        self.assertEqual(container.execute("unixsvc", "stop", "home").returncode, 0)
        self.assertEqual(container.execute(*health).returncode, 5)
        self.assertEqual(container.stop(), 0, container.log)
        self.assertNotIn("Traceback", container.log)

    def test_pair(self) -> None:
        """The gateway in another container serves the services whose sockets are in the volume of both."""
        sockets = self.volume("sockets")
        services = ["--config", "/etc/unixsvc/services.toml"]
        gateway = ["--config", "/etc/unixsvc/gateway.toml"]
        behind = self.start([f"{sockets}:/run/unixsvc", f"{self.volume('data')}:/var/lib/unixsvc"], *services)
        behind.wait_until_healthy(*_HEALTH, *services)
        front = self.start([f"{sockets}:/run/unixsvc:ro", "tmpfs:/run/gateway"], *gateway)
        front.wait_until_healthy(*_HEALTH, *gateway)
        self.assertEqual(self.get(front, "/home", *gateway), {"message": "Hello World!"})
        self.assertEqual(behind.stop(), 0, behind.log)
        self.assertEqual(front.stop(), 0, front.log)
        self.assertNotIn("Traceback", front.log + behind.log)
