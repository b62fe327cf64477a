"""Who may use the control API, by the user that the kernel reports."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import Any
from unittest import skipIf

from tests.functional.orchestrator_process import OrchestratorTestCase

_CLIENT = """
import json, os, socket, sys
os.setgroups([12])
os.setgid(65534)
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as client:
    try:
        client.connect(sys.argv[1])
    except PermissionError:
        print('{"code": 0}')
        sys.exit()
    client.sendall(sys.argv[2].encode() + b"\\n")
    print(client.makefile().readline())
"""


class WorkerTests(OrchestratorTestCase):
    """A worker that has the token, and the user of the orchestrator."""

    config = '[security]\ntoken = "off"\n[services.codes]\napp = "controlling:app"\n'

    def test_refused(self) -> None:
        """Neither a worker nor a process that it starts may control the orchestrator."""
        running = self.start()
        for path in "/worker", "/child":
            reply = self.ask("codes", path)
            self.assertEqual(reply["code"], 403)
            self.assertIn("workers, and processes that they have started", reply["detail"])
        self.assertEqual(self.ask("codes", "/"), "here")
        self.assertEqual(running.logged("Traceback"), [])

    def test_operator(self) -> None:
        """The orchestrator's own user needs no token; the socket is its owner's alone."""
        self.start()
        path = self.path("orchestrator")
        self.assertEqual(stat.S_IMODE(os.lstat(path).st_mode), 0o600)
        with self.talk("orchestrator", token=False) as talk:
            reply = talk.ask(id=1, method="POST", path="/stop", data={"service": "codes"})
        self.assertEqual(reply["code"], 200)
        self.assertEqual(self.status()["status"], "stopped")


@skipIf(os.geteuid() != 0, "only root can be another user")
class OtherUserTests(OrchestratorTestCase):
    """A user that may enter the socket directory, with every token switched off."""

    config = '[security]\ntoken = "off"\n[services.codes]\napp = "codes:app"\n'

    def setUp(self) -> None:
        """Let other users enter the folder."""
        super().setUp()
        os.chmod(self.folder, 0o755)
        os.mkdir(os.path.join(self.folder, "run"), 0o755)

    def code(self, method: str, path: str, **data: Any) -> int:
        """The code of the reply to the user ``nobody``; 0 if the connection is refused."""
        message = json.dumps({"id": 1, "method": method, "path": path, "data": data})
        # Not with the parameter user: it may not be able to execute the interpreter.
        output = subprocess.check_output([sys.executable, "-Ic", _CLIENT, self.path("orchestrator"), message])
        return int(json.loads(output)["code"])

    def test_roles(self) -> None:
        """An unlisted user cannot connect; a reload gives a listed one the right to read, or to control."""
        self.start()
        self.assertEqual(self.code("GET", "/status"), 0)
        self.configure('[control]\nread_uids = ["nobody"]\n' + self.config)
        self.assertDone("reload")
        codes = [self.code("GET", path) for path in ("/status", "/services", "/-/routes")]
        self.assertEqual(codes, [200, 200, 200])
        self.assertEqual(self.code("POST", "/stop"), 403)
        self.assertEqual(self.code("PUT", "/log/level", level="error"), 403)
        self.configure("[control]\nallow_gids = [12]\n" + self.config)
        self.assertDone("reload")
        self.assertEqual(self.code("PUT", "/log/level", level="info"), 200)
        self.configure("[control]\nread_uids = [4242]\n" + self.config)
        self.assertDone("reload")
        self.assertEqual(self.code("GET", "/status"), 403)
        self.configure(self.config)
        self.assertDone("reload")
        self.assertEqual(self.code("GET", "/status"), 0)

    def test_unknown_user(self) -> None:
        """An unknown user in the configuration is one line, at the start and at a reload."""
        self.start()
        self.configure('[control]\nallow_uids = ["no-such-user"]\n' + self.config)
        self.assertRefuses(4, ["reload"], "control.allow_uids", "there is no user 'no-such-user'")
        self.assertEqual(self.status()["status"], "ready")
