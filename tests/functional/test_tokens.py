"""Tokens are replaced and revoked in a system that runs."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase
from unixsvc.client.blocking.client import Client
from unixsvc.client.discovery.location import Credentials, ServiceLocation
from unixsvc.errors import Unauthorized


class TokensTestCase(OrchestratorTestCase):
    """Two services, of which the first calls the third."""

    config = "".join(
        f'[services.{name}]\napp = "{app}"\nboot_timeout = 60\n'
        for name, app in (("first", "chain:first"), ("third", "chain:third"))
    )

    def client(self, token: str | None = None) -> Client:
        """A client of the first service, which has a token, or reads the token file."""
        file = os.path.join(self.folder, ".auth_token")
        credentials = Credentials(self.token(), "", file) if token is None else Credentials(token)
        location = ServiceLocation(os.path.join(self.folder, "run"), credentials)
        client = Client("first", location=location, retry=False)
        self.addCleanup(client.close)
        return client

    def refused(self, token: str) -> str:
        """Why a new client with a token is refused."""
        return str(self.assertRaises(Unauthorized, self.client(token).get, "/items").detail)


class RotateTests(TokensTestCase):
    """The shared token is replaced."""

    def test_overlap(self) -> None:
        """No call is lost; the old token is valid during the overlap, and not after it."""
        running = self.start()
        old, client = self.token(), self.client()
        client.get("/items")
        load = self.load("third", route="/-/ping", expected="pong")
        self.assertDone("token", "rotate", "--overlap", "1h")
        client.get("/items")
        self.assertNotEqual(self.token(), old)
        self.assertEqual(len(self.client(old).get("/items")), 201)
        self.assert_no_call_lost(load)
        self.assertDone("token", "rotate", "--overlap", "1h")
        self.assertEqual(len(self.client(old).get("/items")), 201)
        running.signal(15)
        running.wait()
        state = Path(self.folder, ".auth_token.state")
        ended = json.loads(state.read_text())
        for token in ended["previous"]:
            token["until"] = 1.0
        state.write_text(json.dumps(ended))
        self.start()
        self.assertEqual(self.refused(old), "auth_token is wrong")
        client.get("/items")

    def test_at_once(self) -> None:
        """Without an overlap the old token is not valid; services and clients that read the file go on."""
        self.start()
        old, client, stale = self.token(), self.client(), self.talk("first")
        client.get("/items")
        self.assertEqual(stale.ask(id=1, path="/items")["code"], 200)
        self.assertDone("token", "rotate", "--overlap", "0")
        self.assertEqual(self.refused(old), "auth_token is wrong")
        for _ in range(4):
            self.assertEqual(len(client.get("/items")), 201)
        stale.token = None
        self.assertEqual(stale.ask(id=2, path="/items")["detail"], "auth_token is missing")
        self.assertTrue(stale.goaway_received)

    def test_shorter_overlap(self) -> None:
        """A rotation without an overlap also ends what an earlier one has left valid."""
        self.start()
        old = self.token()
        self.assertDone("token", "rotate", "--overlap", "1h")
        self.assertTrue(self.answers(old))
        self.assertDone("token", "rotate", "--overlap", "0")
        self.assertEqual(self.refused(old), "auth_token is wrong")

    def test_changed_file(self) -> None:
        """A token file that another program has replaced is noticed; the control commands go on meanwhile."""
        running = self.start()
        old, new = self.token(), secrets.token_hex(32)
        draft = Path(self.folder, "draft")
        draft.touch(0o600)
        draft.write_text(new)
        draft.rename(Path(self.folder, ".auth_token"))
        self.assertDone("status")
        self.assertDone("call", "first", "/items")
        running.until("has another token: it is valid now, the old one is not")
        self.eventually(lambda: self.answers(new) and not self.answers(old))
        self.assertDone("call", "first", "/items")

    def answers(self, token: str) -> bool:
        """True if a new client with a token is served."""
        try:
            self.client(token).get("/items")
        except Unauthorized:
            return False
        return True


class NamedTests(TokensTestCase):
    """Tokens with names."""

    def call(self, token: str, *arguments: str) -> Any:
        """Run ``unixsvc call`` with a token in the environment."""
        os.environ["UNIXSVC_TOKEN"] = token
        try:
            return self.command("call", *arguments)
        finally:
            del os.environ["UNIXSVC_TOKEN"]

    def test_life(self) -> None:
        """A new token is valid after a reload, for its services; revoked, it stays so after a restart."""
        running = self.start()
        made = self.command("token", "create", "billing", "--service", "first")
        token = made.out.strip()
        self.configure(self.config + made.err)
        self.assertDone("reload")
        client = self.client(token)
        self.assertEqual(len(client.get("/items")), 201)
        self.assertEqual(self.call(token, "first", "/items").code, 0)
        self.assertIn(
            "the token 'billing' may not call this service", self.call(token, "third", "/items").err
        )
        self.assertDone("token", "revoke", "billing")
        self.assertIn("wrong", str(self.assertRaises(Unauthorized, client.get, "/items")))
        self.assertDone("reload")
        self.assertEqual(self.refused(token), "auth_token is wrong")
        running.signal(15)
        running.wait()
        restarted = self.start()
        self.assertEqual(self.refused(token), "auth_token is wrong")
        restarted.until("tokens.billing: is revoked; remove it")

    def test_environment(self) -> None:
        """The orchestrator takes the shared token from the environment, and then makes no file."""
        token = secrets.token_hex(32)
        self.start(environment={"UNIXSVC_TOKEN": token})
        self.assertFalse(os.path.exists(os.path.join(self.folder, ".auth_token")))
        self.assertEqual(len(self.client(token).get("/items")), 201)
        self.assertDone("call", "first", "/items")
        self.assertRefuses(4, ["token", "rotate"], "is from the environment variable UNIXSVC_TOKEN")


class BrokenConfigurationTests(OrchestratorTestCase):
    """The configuration file is wrong, or gone, while services run."""

    config = '[services.codes]\napp = "codes:app"\nboot_timeout = 60\n'

    def test_commands(self) -> None:
        """Every command works with the socket directory alone."""
        self.start()
        self.configure("[services.codes\n")
        self.assertDone("status")
        for words in (["ls"], ["routes", "codes"], ["call", "codes", "/peer"], ["log-level", "info"]):
            self.assertDone(*words, "--socket-dir", "run")
        self.assertRefuses(4, ["reload"], "not valid TOML")
        os.unlink(os.path.join(self.folder, "unixsvc.toml"))
        os.unlink(os.path.join(self.folder, ".auth_token"))
        for words in (["status"], ["call", "codes", "/peer"], ["token", "show"]):
            self.assertDone(*words, "--socket-dir", "run")

    def test_request_id(self) -> None:
        """``call`` prints the request id of a 500, under which the log has the reason."""
        running = self.start()
        done = self.command("call", "codes", "/fail")
        request_id = done.err.strip().rpartition(" ")[2]
        self.assertEqual(running.until("GET /fail failed")["request_id"], request_id)


class TwistTests(OrchestratorTestCase):
    """The other runner of Twisted."""

    def test_one_line(self) -> None:
        """``python -m twisted unixsvc`` says in one line what to run instead."""
        done = self.python("-m", "twisted", "unixsvc")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("run 'twistd -n unixsvc'", done.stderr)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True
        )
