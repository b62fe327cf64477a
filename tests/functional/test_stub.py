"""``unixsvc stub`` with the running demo."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import unixsvc
from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.unit.cli.samples.user_client import NewUser, User, UserClient
from unixsvc import aio

SAMPLE = Path(__file__).resolve().parents[1] / "unit" / "cli" / "samples" / "user_client.py"


def made_of(client: unixsvc.Client | aio.Client) -> UserClient:
    """Calls with either client; type checkers check this function, too."""
    return UserClient(client)


class Stub(OrchestratorTestCase):
    config = '[services.user]\napp = "unix_app.user:app"\n'

    def test_output(self) -> None:
        """The generated module of the running service is the sample of the unit tests."""
        self.start()
        outcome = self.command("stub", "user")
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        self.assertEqual(outcome.out, SAMPLE.read_text("utf-8"))

    def test_imports(self) -> None:
        """The module can be imported without Twisted and without unixsvc."""
        self.start()
        Path(self.folder, "made.py").write_text(self.command("stub", "user", "--class", "Made").out, "utf-8")
        script = "import made, sys; print(made.Made.__name__, {'twisted', 'unixsvc'} & {*sys.modules})"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        self.assertEqual((done.stdout, done.stderr), ("Made set()\n", ""))

    def test_calls(self) -> None:
        """The methods call the service."""
        self.start()

        async def use() -> list[Any]:
            socket_dir = os.path.join(self.folder, "run")
            async with aio.Client("user", socket_dir=socket_dir, token=self.token()) as client:
                users = made_of(client)
                ada = await users.post_user(NewUser(name="Ada"))
                found = [ada, await users.get_user_by_id(ada.id), await users.get_user(limit=1)]
                await users.delete_user_by_id(ada.id)
                return [*found, await users.get_user(offset=1, timeout=5.0)]

        ada = User(id=2, name="Ada")
        self.assertEqual(asyncio.run(use()), [ada, ada, [User(id=1, name="Zeki")], []])

    def test_unknown_service(self) -> None:
        """A missing service gives an error of one line and no module."""
        self.start()
        self.assertRefuses(5, ["stub", "nobody"], "there is no service 'nobody'")
