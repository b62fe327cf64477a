"""The demo of the README with ``twistd`` and the command line."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from tests.functional.orchestrator_process import OrchestratorTestCase

DEMO = '[services.home]\napp = "unix_app.home:app"\n[services.user]\napp = "unix_app.user:app"\nworkers = 2\n'


class Demo(OrchestratorTestCase):
    config = DEMO

    def result(self, *arguments: str) -> Any:
        """The output of a command, decoded from JSON."""
        outcome = self.command(*arguments)
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        return json.loads(outcome.out)

    def test_home(self) -> None:
        """The greeting of ``home`` is exactly this text."""
        self.start()
        self.assertEqual(self.command("call", "home", "/").out, '{"message": "Hello World!"}\n')

    def test_users_are_kept(self) -> None:
        """An added user is visible to all workers, also after a restart."""
        running = self.start()
        ada = {"id": 2, "name": "Ada"}
        self.assertEqual(self.result("call", "user", "POST", "/user", "name=Ada"), ada)
        for _ in range(4):
            self.assertEqual(self.result("call", "user", "/user"), [{"id": 1, "name": "Zeki"}, ada])
        running.interrupt()
        self.assertEqual(running.wait(), 0)
        self.start()
        self.assertEqual(self.result("call", "user", "GET", "/user/2"), ada)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "users.sqlite3")))

    def test_errors(self) -> None:
        """The command line shows the errors of services."""
        self.start()
        outcome = self.command("call", "user", "POST", "/user", "name=")
        self.assertEqual(outcome.code, 4)
        self.assertRegex(outcome.err, r"\Aunixsvc: 422 Invalid arguments\n  name: .*\n\Z")
        outcome = self.command("call", "user", "DELETE", "/user/7")
        self.assertEqual((outcome.code, outcome.err), (4, "unixsvc: 404 Not found: no user 7\n"))
        outcome = self.command("call", "home", "DELETE", "/")
        self.assertEqual((outcome.code, outcome.err), (4, "unixsvc: 405 Method not allowed: allowed: GET\n"))

    def test_ls(self) -> None:
        """Services and routes are listed."""
        self.start()
        self.assertEqual(self.command("ls").out, "home\norchestrator\nuser\n")
        outcome = self.command("routes", "user")
        self.assertIn("[limit], [offset]", outcome.out)
        contract = self.result("routes", "user", "--json")
        self.assertIn(
            ("GET", "/user/{id:int}"), [(each["method"], each["path"]) for each in contract["routes"]]
        )

    def test_status(self) -> None:
        """The status has the figures that scripts read, and the table shows every worker.

        What a caller did wrong is no error of the service.
        """
        self.start()
        self.command("call", "home", "/")
        self.command("call", "home", "/nowhere")
        status = self.result("status", "--json")
        home, user = status["home"], status["user"]
        for key in ["pid", "uptime", "status", "class", "avgResponseTime", "latency"]:
            self.assertIn(key, home)
        self.assertEqual((home["requests"], home["errors"], len(home["workers"])), (2, 0, 1))
        lines = [line.split() for line in self.command("status").out.splitlines()]
        pids = [str(each["pid"]) for each in home["workers"] + user["workers"]]
        self.assertEqual([line[0] for line in lines[1:] if line[0].isdigit()], pids)

    def test_killed(self) -> None:
        """After a worker is killed, calls succeed and a new worker is started."""
        self.start()
        [worker] = self.result("status", "--json")["home"]["workers"]
        os.kill(worker["pid"], signal.SIGKILL)
        self.assertEqual(self.command("call", "home", "/", "--timeout", "10").code, 0)
        [other] = self.result("status", "--json")["home"]["workers"]
        self.assertNotEqual(other["pid"], worker["pid"])

    def test_token(self) -> None:
        """The token that is shown is accepted by services."""
        self.start()
        self.assertEqual(self.command("token", "show").out, self.token() + "\n")

    def test_not_started(self) -> None:
        """Before the start, each command reports that no service is running."""
        for words in [["call", "home", "/"], ["routes", "home"], ["status"]]:
            outcome = self.command(*words)
            self.assertEqual((outcome.code, outcome.out, outcome.err.count("\n")), (5, "", 1))
            self.assertIn("twistd -n unixsvc", outcome.err)
