"""``unixsvc routes``, ``status``, ``token``, and what all commands share; ``ls`` needs real sockets."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.unit.cli.command_runner import TOKEN, CommandTestCase, failure, success

PAGE = {"$ref": "#/schemas/Page"}
CONTRACT: dict[str, Any] = {
    "title": "Users",
    "version": "1.0",
    "routes": [
        {"method": "GET", "path": "/user", "title": "Some [users]", "public": True, "data": PAGE},
        {"method": "POST", "path": "/user", "title": "", "data": {"properties": {"name": {}}}},
        {"method": "GET", "path": "/user/{id:int}", "title": "One", "public": False, "data": None},
    ],
    "schemas": {"Page": {"properties": {"kind": {}, "limit": {}}, "required": ["kind"]}},
}

WORKER = {
    "pid": 71,
    "status": "ready",
    "uptime": 59.9,
    "requests": 2,
    "errors": 1,
    "connections": 3,
    "rss": 2**25,
}
STATUS: dict[str, Any] = {
    "home": {
        "pid": 70, "uptime": 90061.0, "status": "running", "class": "unix_app.home:app", "requests": 2,
        "errors": 1, "avgResponseTime": 0.00125, "workers": [WORKER, WORKER],
        "latency": {"p50": 0.001, "p90": 0.002, "p99": 0.003},
    },
    "user": {
        "pid": None, "uptime": 0.0, "status": "starting", "class": "unix_app.user:app", "requests": 0,
        "errors": 0, "avgResponseTime": 0.0, "workers": [], "latency": {"p50": 0.0, "p90": 0.0, "p99": 0.0},
    },
}  # fmt: skip


class Routes(CommandTestCase):
    def test_table(self) -> None:
        """Each route is a line: method, path, arguments (optional ones in brackets), and title."""
        self.answer = success(CONTRACT)
        outcome = self.run_command("routes", "user")
        self.assertEqual(
            outcome.out.splitlines(),
            [
                "METHOD  PATH            DATA           PUBLIC  TITLE",
                "GET     /user           kind, [limit]  yes     Some [users]",
                "POST    /user           [name]",
                "GET     /user/{id:int}                         One",
            ],
        )
        self.assertEqual((outcome.code, outcome.err, self.calls[0].call.path), (0, "", "/-/routes"))

    def test_json(self) -> None:
        """``--json`` prints the whole contract."""
        self.answer = success(CONTRACT)
        self.assertEqual(json.loads(self.run_command("routes", "user", "--json").out), CONTRACT)

    def test_nonsense(self) -> None:
        """An invalid contract is an error."""
        self.answer = success(["what?"])
        self.assertError(self.run_command("routes", "user"), 5, "the contract cannot be read")

    def test_refused(self) -> None:
        """The error of the service is printed."""
        self.answer = failure(401, "auth_token is wrong")
        self.assertError(self.run_command("routes", "user"), 4, "401 Unauthorized: auth_token is wrong")


class RoutesOnATerminal(CommandTestCase):
    terminal = True

    def test_table(self) -> None:
        """On a terminal, the table has the same content; markup in titles is not interpreted."""
        self.answer = success(CONTRACT)
        out = self.run_command("routes", "user").out
        for word in ["METHOD", "/user/{id:int}", "kind, [limit]", "Some [users]"]:
            self.assertIn(word, out)


class Status(CommandTestCase):
    def setUp(self) -> None:
        """Start an orchestrator, and set its reply."""
        super().setUp()
        self.write("service_orchestrator.sock")
        self.answer = success(STATUS)

    def test_table(self) -> None:
        """Each service is a line, with a line for each of its workers below."""
        outcome = self.run_command("status")
        lines = [line.split() for line in outcome.out.splitlines()]
        self.assertEqual(lines[1][:5], ["home", "running", "1d", "1h", "2"])
        self.assertEqual(lines[1][5:], ["1", "1.25", "3.00", "6", "64.0"])
        self.assertEqual(lines[2], ["71", "ready", "59s", "2", "1", "3", "32.0"])
        self.assertEqual(lines[4][:3], ["user", "starting", "0s"])
        self.assertEqual(len(lines), 5)
        self.assertEqual(self.calls[0].path, os.path.join(self.folder, "service_orchestrator.sock"))

    def test_json(self) -> None:
        """``--json`` prints the whole reply."""
        self.assertEqual(json.loads(self.run_command("status", "--json").out), STATUS)

    def lines_below(self, *stats: dict[str, int], workers: int = 2) -> list[str]:
        """The lines below the table, for these client statistics of the first service."""
        services = {f"shop{number}": each for number, each in enumerate(stats)}
        home = STATUS["home"] | {"services": services, "workers": [WORKER] * workers}
        self.answer = success({"home": home})
        return self.run_command("status").out.splitlines()[2 + workers :]

    def test_circuits(self) -> None:
        """Circuit breakers that are open or half-open are listed below the table."""
        well = {"open": 0, "half_open": 0, "closed": 2, "refused": 9, "connections": 1}
        self.assertEqual(self.lines_below(well), [])
        bad = [well | {"open": 1}, well, well | {"half_open": 2}, well | {"open": 1, "half_open": 1}]
        self.assertEqual(
            self.lines_below(*bad),
            [
                "home -> shop0: circuit open in 1 of 2 workers",
                "home -> shop2: circuit half-open in 2 of 2 workers",
                "home -> shop3: circuit open in 1, half-open in 1 of 2 workers",
            ],
        )
        found = self.lines_below(well | {"open": 1}, workers=1)
        self.assertEqual(found, ["home -> shop0: circuit open in 1 of 1 worker"])

    def test_problem(self) -> None:
        """The last problem of a service comes before the circuit breakers."""
        home = STATUS["home"] | {"problem": "no disk", "services": {"shop": {"open": 2}}}
        self.answer = success({"home": home})
        lines = self.run_command("status").out.splitlines()[4:]
        self.assertEqual(lines, ["home: no disk", "home -> shop: circuit open in 2 of 2 workers"])

    def test_tasks(self) -> None:
        """Tasks beside the requests have a table of their own, too."""
        counts = {"running": 1, "done": 20, "failed": 3, "interrupted": 0}
        self.answer = success({"home": STATUS["home"] | {"tasks": {"send_mail": counts}}})
        lines = self.run_command("status").out.splitlines()[4:]
        self.assertEqual(
            [line.split() for line in lines],
            [
                ["SERVICE", "TASK", "RUNNING", "DONE", "FAILED", "INTERRUPTED"],
                ["home", "send_mail", "1", "20", "3", "0"],
            ],
        )

    def test_schedules(self) -> None:
        """Schedules have a table of their own, between the services and the problems."""
        counts = {"runs": 7, "failures": 1, "interrupted": 2, "missed": 3, "waiting": 0}
        idle = {"name": "clean", "schedule": "every 5m", "next": "2000-01-01T00:00:00Z", "running": None}
        busy = {"name": "report", "schedule": "0 3 * * * UTC", "next": None, "running": 61.5, "last": None}
        last = {"started": "2000-01-01T00:00:00Z", "seconds": 1.5, "outcome": "ValueError"}
        schedules = [idle | counts | {"last": last}, busy | counts]
        self.answer = success({"home": STATUS["home"] | {"schedules": schedules, "problem": "no disk"}})
        lines = self.run_command("status").out.splitlines()[4:]
        headers = ["RUNS", "FAILED", "INTERRUPTED", "MISSED"]
        self.assertEqual(
            [line.split() for line in lines],
            [
                ["SERVICE", "SCHEDULE", "TIMES", "NEXT", "IN", "LAST", *headers],
                ["home", "clean", "every", "5m", "0s", "ValueError", "7", "1", "2", "3"],
                ["home", "report", "0", "3", "*", "*", "*", "UTC", "running", "1m", "1s", "7", "1", "2", "3"],
                ["home:", "no", "disk"],
            ],
        )

    def test_nonsense(self) -> None:
        """An invalid status is an error."""
        self.answer = success({"home": {"pid": "x"}})
        self.assertError(self.run_command("status"), 5, "the status cannot be read")

    def test_not_running(self) -> None:
        """If no orchestrator runs, the error says so."""
        os.unlink(os.path.join(self.folder, "service_orchestrator.sock"))
        self.assertError(self.run_command("status"), 5, "no service 'orchestrator'")


class Token(CommandTestCase):
    def test_show(self) -> None:
        """It prints the token and nothing else."""
        self.assertEqual(self.run_command("token", "show").out, TOKEN + "\n")

    def test_damaged(self) -> None:
        """The error names a damaged file, and does not contain its content."""
        self.write(".auth_token", "secret but short")
        outcome = self.run_command("token", "show")
        self.assertError(outcome, 2, ".auth_token: holds no token")
        self.assertNotIn("secret", outcome.err)

    def test_no_command(self) -> None:
        """``token`` needs a subcommand."""
        self.assertError(self.run_command("token"), 2, "Missing command")


class AllCommands(CommandTestCase):
    def test_help(self) -> None:
        """Each command has help, and the options for the location."""
        for words in [[], ["call"], ["ls"], ["routes"], ["status"], ["check"], ["token"], ["token", "show"]]:
            outcome = self.run_command(*words, "--help")
            self.assertEqual((outcome.code, outcome.err), (0, ""))
            self.assertIn("--config", outcome.out)
            self.assertIn("--socket-dir", outcome.out)

    def test_no_command(self) -> None:
        """Without a command, the help is printed."""
        self.assertEqual(self.run_command(), self.run_command("--help"))

    def test_version(self) -> None:
        """The version is one line."""
        outcome = self.run_command("--version")
        self.assertEqual((outcome.code, outcome.err, outcome.out.count("\n")), (0, "", 1))

    def test_unknown(self) -> None:
        """An unknown command is named."""
        self.assertError(self.run_command("calll"), 2, "calll")

    def test_wrong_configuration(self) -> None:
        """Each command reports an invalid or missing configuration."""
        for words in [
            ["call", "home", "/"],
            ["ls"],
            ["routes", "home"],
            ["status"],
            ["check"],
            ["token", "show"],
        ]:
            self.configure("[servces.home]")
            self.assertError(self.run_command(*words), 2, "unixsvc.toml: ", "servces")
            self.configure("this is no TOML")
            self.assertError(self.run_command(*words), 2, "unixsvc.toml: not valid TOML")
            self.config = ""
            self.assertError(
                self.run_command("--config", "nowhere.toml", *words), 2, "nowhere.toml: no such file"
            )
