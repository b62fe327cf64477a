"""What happens now in the workers of a real orchestrator: the requests in flight, and their cancellation."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from tests.functional.http_stack import HttpTestCase
from tests.functional.orchestrator_process import OrchestratorTestCase
from tests.functional.raw_client import RawConnection

# The requests of a client, the function of the application where each waits, and the text of its line.
_WAITS: Final = {
    "/sleep/7": ("Waits._below", "sleeps here"),
    "/deferred": ("Waits.deferred", "waits here"),
    "/task": ("Waits._below", "sleeps here"),
    "/block": ("Waits.block", "blocks here"),
    "/rows": ("Waits._below", "sleeps here"),
}


class RequestsTests(OrchestratorTestCase):
    """A service with requests that wait in all ways."""

    config = '[services.busy]\napp = "waits:app"\n'

    def send(self, talk: RawConnection, path: str, **message: Any) -> None:
        """Send a request whose id is its path."""
        talk.send(id=path, path=path, meta={"request_id": path}, **message)

    def listed(self, count: int) -> dict[str, Any]:
        """The requests in flight by id, once there are so many."""
        found: dict[str, Any] = {}

        def complete() -> bool:
            command = self.command("ps", "--json")
            self.assertEqual((command.code, command.err), (0, ""))
            found.clear()
            found.update({each["id"]: each for each in json.loads(command.out)["requests"]})
            return len(found) == count

        self.eventually(complete)
        return found

    def assert_waits_at(self, request: dict[str, Any], function: str, text: str) -> None:
        """A request waits in a function of the application, at a line with a text."""
        [*_, place] = [each for each in request["stack"] if each.startswith(f"{self.folder}/waits.py:")]
        where, _, name = place.partition(" ")
        line = Path(self.folder, "waits.py").read_text().splitlines()[int(where.rpartition(":")[2]) - 1]
        self.assertEqual(name, function)
        self.assertIn(f"# {text}", line)

    def test_places(self) -> None:
        """Each is listed with the line where it waits: in a coroutine, a task, a thread or a stream."""
        self.start()
        talk = self.talk("busy")
        for path in _WAITS:
            self.send(talk, path, credit=5) if path == "/rows" else self.send(talk, path)
        self.send(talk, "/endless", credit=2)
        talk.send(id=1, method="WEBSOCKET", path="/chat", credit=5, meta={"request_id": "chat"})
        found = self.listed(len(_WAITS) + 2)
        for path, (function, text) in _WAITS.items():
            self.assert_waits_at(found[path], function, text)
        self.assert_waits_at(found["chat"], "Waits.chat", "waits for a message here")
        self.assertEqual(found["/endless"]["where"], "waits for its reader")
        kinds = [found[each]["kind"] for each in ("/sleep/7", "/rows", "chat")]
        self.assertEqual(kinds, ["call", "stream", "websocket"])
        request = found["/sleep/7"]
        self.assertEqual((request["route"], request["service"]), ("GET /sleep/{id:int}", "busy"))
        self.assertEqual(request["pid"], self.worker_pids("busy")[0])
        self.assertTrue(0 < request["deadline"] <= 30 and 0 < request["age"] < 30, request)

    def test_cancel(self) -> None:
        """The caller gets 499, and the action Cancelled where it waits; the others go on."""
        self.start()
        talk = self.talk("busy")
        for path in ("/sleep/1", "/task", "/block", "/shielded"):
            self.send(talk, path)
        self.listed(4)
        self.assertDone("cancel", "/sl")
        self.assertEqual(talk.receive(), self.cancelled("/sleep/1"))
        self.assertDone("cancel", "/block", "--service", "busy")
        self.assertEqual(talk.receive(), self.cancelled("/block"))
        self.assertRefuses(4, ["cancel", "/sleep/1"], "no request in flight")
        self.assertRefuses(4, ["cancel", "/"], "2 ids of requests begin with '/': /shielded, /task")
        self.assertRefuses(4, ["cancel", "/shielded"], "its route has a shield")
        self.assertEqual(sorted(self.listed(2)), ["/shielded", "/task"])
        self.assertEqual(self.ask("busy", "/cancelled"), 1)

    def cancelled(self, id: str) -> dict[str, Any]:
        """The reply to a cancelled request."""
        return {"id": id, "status": "error", "code": 499, "message": "Cancelled", "detail": None}

    def test_blocked(self) -> None:
        """A worker whose event loop is blocked is named; the command does not wait for it."""
        self.start()
        talk = self.talk("busy")
        talk.ask(id=0, path="/cancelled")
        [pid] = self.worker_pids("busy")
        talk.send(id=1, path="/spin", data={"seconds": 8})
        started = time.monotonic()
        shown = self.command("ps", "busy")
        self.assertIn(f"busy (pid {pid}): no answer within 1 s; its event loop may be blocked", shown.out)
        self.assertLess(time.monotonic() - started, 8)
        self.assertEqual(talk.receive()["code"], 200)

    def test_ended(self) -> None:
        """The slowest and the failed requests are shown; the health check is not among them."""
        self.start()
        talk = self.talk("busy")
        self.send(talk, "/sleep/1", timeout=0.2)
        self.assertEqual(talk.receive()["code"], 504)
        self.send(talk, "/cancelled")
        talk.receive()
        slowest, failed = (
            json.loads(self.command("ps", f"--{each}", "--json").out)["requests"]
            for each in ("slowest", "failed")
        )
        self.assertEqual([each["id"] for each in slowest], ["/sleep/1", "/cancelled"])
        [late] = failed
        self.assertEqual((late["route"], late["code"], late["service"]), ("GET /sleep/{id:int}", 504, "busy"))
        self.assertGreaterEqual(late["seconds"], 0.2)

    def test_profile(self) -> None:
        """A function that computes is in the profile, in all forms; the time is about that of the work."""
        self.start()
        talk = self.talk("busy")
        talk.send(id=1, path="/compute", data={"seconds": 60}, timeout=60)
        for name in ("x.svg", "x.txt", "x.json"):
            self.assertDone("profile", "busy", "--seconds", "0.5", "-o", name)
            self.assertIn("Waits.compute", Path(self.folder, name).read_text())
        shown = self.command(
            "profile", "busy", "--seconds", "0.5", "--worker", str(self.worker_pids("busy")[0])
        )
        self.assertIn("Waits.compute", shown.out.splitlines()[1])
        self.assertIn("of 1 worker; sampling used", shown.out)
        self.assertRefuses(4, ["profile", "busy", "--worker", "1"], "busy has no worker with the pid 1")
        talk.send(id=2, path="/cancelled")
        self.assertEqual(talk.receive()["code"], 200)
        self.assertRefuses(2, ["profile", "busy", "-o", "x.png"], "has to end with .svg, .txt or .json")

    def test_memory(self) -> None:
        """The line that allocates, and the type of the objects, are named."""
        self.start()
        with self.talk("busy") as talk:
            talk.send(id=1, path="/leak", data={"seconds": 30}, timeout=60)
            found = json.loads(self.command("memory", "busy", "--seconds", "2", "--json").out)
        [worker] = found["workers"]
        self.assertEqual(worker["pid"], self.worker_pids("busy")[0])
        self.assertTrue(worker["rss"] >= worker["pss"] >= worker["uss"] > 2**20, worker)
        self.assertIn(f"{self.folder}/waits.py:", worker["allocations"][0]["where"])
        self.assertIn("waits.Leaked", [each["name"] for each in worker["types"][:5]])
        self.assertIn("RSS", self.command("memory", "busy", "--seconds", "0.1").out)

    def test_service(self) -> None:
        """The requests of one service can be listed; there has to be such a service."""
        self.start()
        self.assertEqual(self.command("ps", "busy").out.split()[0], "SERVICE")
        self.assertRefuses(4, ["ps", "lazy"], "there is no service 'lazy'")


class HttpRequestsTests(HttpTestCase):
    """Requests over HTTP."""

    config = (
        '[services.busy]\napp = "waits:app"\n'
        '[http]\napp = "waits_pages:app"\nlisten = ["tcp:0:interface=127.0.0.1"]\n'
        'mounts = { "/busy" = "busy:/" }\n'
    )

    def test_gateway(self) -> None:
        """Actions, pages and mounts are listed; a request has the same id behind its mount."""
        self.serve()
        for path in ("/wait", "/page", "/busy/deferred"):
            connection = self.connect()
            headers = {"Authorization": f"Bearer {self.token()}", "X-Request-Id": path[1:5]}
            connection.request("GET", path, headers=headers)
        found: list[Any] = []

        def complete() -> bool:
            found[:] = json.loads(self.command("ps", "--json").out)["requests"]
            return len(found) == 4

        self.eventually(complete)
        rows = sorted((each["id"], each["service"], each["kind"], each["route"]) for each in found)
        self.assertEqual(
            rows,
            [
                ("busy", "busy", "call", "GET /deferred"),
                ("busy", "http", "call", ""),
                ("page", "http", "page", "GET /page"),
                ("wait", "http", "call", "GET /wait"),
            ],
        )
        self.assertTrue(all(each["age"] is not None and each["deadline"] > 0 for each in found), found)
        connection = self.connect()
        connection.request("GET", "/page", headers={"X-Request-Id": "gone"})
        self.eventually(lambda: self.command("cancel", "gone").code == 0)
        self.assertEqual(connection.getresponse().status, 499)
