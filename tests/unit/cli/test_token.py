"""``unixsvc token``."""

from __future__ import annotations

import hashlib
import tomllib

import msgspec

from tests.unit.cli.command_runner import CommandTestCase, failure, success
from unixsvc.config.file import parse_layers
from unixsvc.config.sources.layers import Layer, Layers


class CreateTests(CommandTestCase):
    def test_table(self) -> None:
        """The token is on standard output, a table for the configuration on standard error."""
        outcome = self.run_command(
            "token", "create", "billing", "--service", "home", "--service", "user",
            "--route", "GET /user/{id:int}", "--route", "/",
        )  # fmt: skip
        self.assertEqual(outcome.code, 0)
        self.assertRegex(outcome.out, r"\A[0-9a-f]{64}\n\Z")
        layers = Layers("x")
        layers.add(Layer("x", tomllib.loads(outcome.err)))
        token = parse_layers(layers).tokens["billing"]
        self.assertEqual(token.sha256, hashlib.sha256(outcome.out.strip().encode()).hexdigest())
        self.assertEqual(token.services, ("home", "user"))
        self.assertEqual(token.routes, ("GET /user/{id:int}", "/"))
        self.assertEqual(self.calls, [])

    def test_all_routes(self) -> None:
        """Without ``--route``, the table has no routes: all of them."""
        outcome = self.run_command("token", "create", "billing", "--service", "*")
        self.assertIn('services = ["*"]', outcome.err)
        self.assertNotIn("routes", outcome.err)

    def test_wrong(self) -> None:
        """A wrong name or pattern, and a missing service, are refused, and no token is printed."""
        for words in (["Billing", "--service", "home"], ["billing"], ["default", "--service", "*"]):
            self.assertEqual(self.run_command("token", "create", *words).code, 2, words)
        outcome = self.run_command("token", "create", "billing", "--service", "home", "--route", "user")
        self.assertError(outcome, 2, "'user': is not a path")


class ChangeTests(CommandTestCase):
    def setUp(self) -> None:
        """Add the orchestrator."""
        super().setUp()
        self.write("service_orchestrator.sock")

    def test_rotate(self) -> None:
        """The overlap has a unit; an hour is the default, and 0 is none."""
        for words, seconds, text in (
            ([], 3600.0, "valid for 1h"), (["--overlap", "0"], 0.0, "not valid any more"),
            (["--overlap", "90s"], 90.0, "valid for 90s"), (["--overlap", "120"], 120.0, "valid for 2m"),
            (["--overlap", "2d"], 172_800.0, "valid for 2d"),
            (["--overlap", "1.5h"], 5400.0, "valid for 90m"),
            (["--overlap", "0.5s"], 0.5, "valid for 0.5s"),
        ):  # fmt: skip
            outcome = self.run_command("token", "rotate", *words)
            line = f"replaced the shared token; the old one is {text}\n"
            self.assertEqual((outcome.code, outcome.out, outcome.err), (0, line, ""))
            call = self.calls[-1].call
            self.assertEqual((call.method, call.path), ("POST", "/tokens/rotate"))
            self.assertEqual(msgspec.json.decode(call.data), {"overlap": seconds})

    def test_wrong_overlap(self) -> None:
        """Another text is refused."""
        for text in ("1y", "-1h", "h", "1 h", "", "1e3"):
            outcome = self.run_command("token", "rotate", f"--overlap={text}")
            self.assertError(outcome, 2, "is not a duration; write it as 90s, 30m, 1h or 2d")
        self.assertEqual(self.calls, [])

    def test_revoke(self) -> None:
        """The output says what is left to do."""
        outcome = self.run_command("token", "revoke", "billing")
        self.assertEqual(outcome.out, "revoked billing; remove [tokens.billing] from the configuration\n")
        call = self.calls[-1].call
        self.assertEqual((call.method, call.path), ("POST", "/tokens/revoke"))
        self.assertEqual(msgspec.json.decode(call.data), {"name": "billing"})
        self.answer = failure(409, "the token 'billing' is revoked until the orchestrator ends")
        self.assertError(self.run_command("token", "revoke", "billing"), 4, "until the orchestrator ends")

    def test_list(self) -> None:
        """Tokens are listed with what they may call."""
        entry = {"name": "billing", "services": ["a", "b"], "routes": ["GET /x"], "state": "revoked"}
        self.answer = success([entry])
        outcome = self.run_command("token", "ls")
        self.assertEqual(
            outcome.out, "NAME     SERVICES  ROUTES  STATE\nbilling  a, b      GET /x  revoked\n"
        )
        self.answer = success(7)
        self.assertError(self.run_command("token", "ls"), 5, "the tokens cannot be read")
