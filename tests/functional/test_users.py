"""Users in real workers: a key file that changes, one connection, rules of the configuration."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.functional.http_stack import HttpTestCase

_ADMIN = """
[access.admin]
services = ["http"]
routes = ["/admin"]
user = { role = "admin" }

[access.others]
services = ["http"]
routes = ["/me", "/greeting"]
anyone = true

[access.processes]
services = ["users"]
uids = [%d]
"""


class UsersTests(HttpTestCase):
    config = (
        '[services.users]\napp = "users:app"\n'
        '[http]\napp = "users:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\n'
    ) + _ADMIN % os.getuid()

    def setUp(self) -> None:
        """Write the first key."""
        super().setUp()
        self.keys = {name: rsa.generate_private_key(65537, 2048) for name in ("old", "new")}
        self.publish("old")

    def publish(self, *names: str) -> None:
        """Replace the key file by one with the public parts of some keys."""
        algorithm = jwt.get_algorithm_by_name("RS256")
        documents: list[Any] = [
            {**algorithm.to_jwk(self.keys[name].public_key(), as_dict=True), "kid": name} for name in names
        ]
        draft = Path(self.folder, "jwks.new")
        draft.write_text(json.dumps({"keys": documents}))
        draft.rename(Path(self.folder, "jwks.json"))

    def bearer(self, key: str = "old", **claims: object) -> dict[str, str]:
        """The header with a token."""
        found = {"sub": "ada", "aud": "api", "iss": "test", "exp": time.time() + 600} | claims
        return {"Authorization": f"Bearer {jwt.encode(found, self.keys[key], 'RS256', {'kid': key})}"}

    def test_users(self) -> None:
        """The user of a request is that of its token only; a new key is accepted without a reload."""
        self.serve()
        connection = self.connect()
        for headers, expected in (
            (self.bearer(), "ada"),
            ({}, "stranger"),
            ({"Authorization": "Bearer of-another-api"}, "stranger"),
            (self.bearer(sub="eve", exp=1), "stranger"),
            (self.bearer(sub="bob"), "bob"),
        ):
            for _ in range(3):
                response = self.fetch("GET", "/greeting", token=False, headers=headers, connection=connection)
                self.assertEqual((response.code, response.data), (200, expected))
        response = self.fetch("GET", "/me", token=False, headers=self.bearer("new"))
        self.assertEqual(response.code, 401)
        self.publish("old", "new")
        self.eventually(lambda: self.fetch("GET", "/me", token=False, headers=self.bearer("new")).code == 200)
        self.assertEqual(self.fetch("GET", "/me", token=False, headers=self.bearer()).code, 200)

    def test_rules(self) -> None:
        """Rules admit users by their attributes and processes by their uid; another uid is refused."""
        self.serve()
        for role, code in (("admin", 200), ("clerk", 403)):
            response = self.fetch("GET", "/admin", token=False, headers=self.bearer(role=role))
            self.assertEqual(response.code, code)
        self.assertEqual(self.fetch("GET", "/admin", token=False).code, 401)
        self.assertEqual(self.fetch("GET", "/admin").code, 401)  # a token is not a user
        self.assertEqual(self.ask("users", "/me"), f"uid {os.getuid()}")
        self.configure(self.config.replace(f"uids = [{os.getuid()}]", "uids = [12345]"))
        self.assertDone("reload")
        with self.talk("users") as talk:
            self.assertEqual(talk.ask(id=1, path="/me")["code"], 403)
            self.assertEqual(talk.ask(id=2, path="/-/ping")["data"], "pong")
