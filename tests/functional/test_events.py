"""Events of a real orchestrator, and the hooks that get them."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.functional.cli_process import start_command
from tests.functional.orchestrator_process import OrchestratorTestCase

_WAITS = '[services.waits]\napp = "waits:app"\n'


class EventsCase(OrchestratorTestCase):
    """A test with events."""

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """The events that the command prints."""
        done = self.command("events", "--json", *arguments)
        self.assertEqual((done.code, done.err), (0, ""))
        return [json.loads(line) for line in done.out.splitlines()]

    def kinds(self, *arguments: str) -> list[str]:
        """Their kinds."""
        return [each["kind"] for each in self.events(*arguments)]

    def event(self, kind: str) -> dict[str, Any]:
        """The last event of a kind, once there is one."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [each for each in self.events() if each["kind"] == kind]
            return bool(found)

        self.eventually(is_there)
        return found[-1]


class EventsTests(EventsCase):
    """What the events of one service are."""

    config = _WAITS

    def test_worker(self) -> None:
        """A death has its signal, pid and time; the worker that takes the place follows."""
        self.start()
        [pid] = self.worker_pids("waits")
        os.kill(pid, signal.SIGKILL)
        died = self.event("worker.died")
        self.assertEqual((died["service"], died["pid"], died["slot"]), ("waits", pid, 1))
        self.assertEqual((died["details"], died["reason"]), ({"signal": 9}, "was killed by signal 9"))
        self.eventually(lambda: self.kinds()[-1] == "worker.ready")
        started = ["worker.started", "worker.ready"]
        self.assertEqual(self.kinds(), [*started, "orchestrator.ready", "worker.died", *started])
        self.assertNotIn("orchestrator.ready", self.kinds("waits"))
        self.assertEqual(self.kinds("--since", "2000-01-01"), self.kinds())
        self.assertEqual(self.kinds("--since", "2999-01-01"), [])

    def test_watchdog(self) -> None:
        """A worker whose event loop is blocked dies of the watchdog."""
        self.configure(_WAITS + "watchdog = 1\n")
        self.start()
        self.talk("waits").send(id=1, path="/spin", data={"seconds": 30})
        died = self.event("worker.died")
        self.assertEqual(died["details"], {"signal": 9, "killed_for": "watchdog"})

    def test_changes(self) -> None:
        """Reloads, failed reloads with the reason, scaling and tokens are events."""
        self.start()
        self.assertDone("reload")
        self.assertDone("scale", "waits", "2")
        self.assertDone("token", "rotate", "--overlap", "60")
        self.configure(_WAITS.replace("waits:app", "none:app"))
        self.assertEqual(self.command("reload").code, 4)
        others = [each for each in self.kinds() if not each.startswith("worker.")]
        reloads = ["reload.started", "reload.done", "service.scaled", "token.rotated"]
        self.assertEqual(others, ["orchestrator.ready", *reloads, "reload.started", "reload.failed"])
        reason = self.event("reload.failed")["reason"]
        self.assertIn("no module 'none'", reason)
        self.assertTrue(reason.endswith("the old ones stay"), reason)
        self.assertEqual(self.event("service.scaled")["details"], {"workers": 2})

    def test_follow(self) -> None:
        """A follower sees a death within a second; it ends with the orchestrator."""
        running = self.start()
        following = start_command(self.folder, "events", "--follow", "--json", "--since", "2000-01-01")
        lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
        assert following.stdout is not None
        output = following.stdout

        def read() -> None:
            for line in output:
                lines.put(line)

        reader = threading.Thread(target=read)
        reader.start()
        self.addCleanup(reader.join)
        self.addCleanup(following.communicate)
        self.addCleanup(following.kill)
        kinds = [json.loads(lines.get(timeout=30))["kind"] for _ in range(3)]
        self.assertEqual(kinds, ["worker.started", "worker.ready", "orchestrator.ready"])
        [pid] = self.worker_pids("waits")
        started = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(json.loads(lines.get(timeout=30))["pid"], pid)
        self.assertLess(time.monotonic() - started, self.on_busy_machine(1.0))
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual(following.wait(30), 0)
        reader.join(30)
        last = [json.loads(lines.get())["kind"] for _ in range(lines.qsize())]
        self.assertEqual(last[-2:], ["orchestrator.stopping", "worker.ended"])


class BreakerTests(EventsCase):
    """One service calls another."""

    config = "".join(f'[services.{each}]\napp = "chain:{each}"\n' for each in ("first", "second", "third"))

    def test_breaker(self) -> None:
        """Each change of a circuit breaker is an event with both services."""
        self.start()
        self.assertDone("stop", "second")
        talk = self.talk("first")

        def is_open() -> bool:
            for number in range(5):  # failures that are far apart do not open it
                talk.send(id=number, path="/names")
            self.assertEqual([talk.receive()["code"] for _ in range(5)], [503] * 5)
            return "breaker.open" in self.kinds()

        self.eventually(is_open)
        opened = self.event("breaker.open")
        self.assertEqual((opened["service"], opened["details"]), ("first", {"to": "second"}))
        self.assertEqual(opened["pid"], self.worker_pids("first")[0])
        self.assertDone("start", "second")

        def is_closed() -> bool:
            talk.ask(id=1, path="/names")
            return "breaker.closed" in self.kinds()

        self.eventually(is_closed)


class HookTests(EventsCase):
    """Hooks of both kinds."""

    def hook(self, script: str, *options: str) -> str:
        """The configuration of a command that gets the deaths of workers."""
        path = Path(self.folder, "notify")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
        return "\n".join(
            (_WAITS, "[[hooks]]", 'events = ["worker.died"]', 'command = ["./notify", "x"]', *options, "")
        )

    def kill_worker(self) -> int:
        """Kill the worker; its pid."""
        [pid] = self.worker_pids("waits")
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: self.worker_pids("waits") not in ([], [pid]))
        return pid

    def test_command(self) -> None:
        """A command gets the event as JSON and as variables; it is tried again after a failure."""
        fails_once = "test -e failed || { touch failed; exit 7; }; cat > event"
        fails_once = f'echo "$EVENT_KIND $EVENT_PID $1" >> calls; {fails_once}'
        self.configure(self.hook(fails_once))
        running = self.start()
        pid = self.kill_worker()
        running.until("the hook ./notify: worker.died is tried again: exited with code 7")
        path = Path(self.folder, "event")
        self.eventually(lambda: path.exists() and path.read_text().endswith("}\n"))
        event = json.loads(path.read_text())
        self.assertEqual((event["kind"], event["pid"], event["service"]), ("worker.died", pid, "waits"))
        self.assertEqual(Path(self.folder, "calls").read_text(), f"worker.died {pid} x\n" * 2)

    def test_slow_command(self) -> None:
        """A command that hangs is killed after its time, and holds up neither workers nor the end."""
        self.configure(self.hook("echo $$ > pid; exec sleep 60", "timeout = 0.5", "attempts = 1"))
        running = self.start()
        self.kill_worker()
        running.until("worker.died is dropped after 1 attempts: no end within 0.5 s")
        hung = int(Path(self.folder, "pid").read_text())
        self.eventually(lambda: not os.path.exists(f"/proc/{hung}"))
        self.assertEqual(self.command("status").code, 0)
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual(running.left(), [])

    def test_webhook(self) -> None:
        """A server gets the event with its headers, and again after an error; a reload changes the hooks."""
        server = _Server()
        self.addCleanup(server.close)
        config = (
            _WAITS + f'[[hooks]]\nevents = ["reload.*"]\nurl = "{server.url}"\nheaders = {{ X-Key = "k" }}\n'
        )
        self.configure(config)
        running = self.start()
        server.codes = [500]
        self.assertDone("reload")
        running.until("reload.started is tried again: the server answers 500")
        received = [server.requests.get(timeout=30) for _ in range(3)]
        kinds = [each["kind"] for _, each in received]
        self.assertEqual(kinds, ["reload.started", "reload.started", "reload.done"])
        self.assertEqual({headers["X-Key"] for headers, _ in received}, {"k"})
        self.assertEqual({headers["Content-Type"] for headers, _ in received}, {"application/json"})
        self.configure(config.replace('"reload.*"', '"token.*"'))
        self.assertDone("reload")
        self.assertDone("token", "rotate")
        kinds = [server.requests.get(timeout=30)[1]["kind"] for _ in range(2)]
        self.assertEqual(kinds, ["reload.started", "token.rotated"])

    def test_last(self) -> None:
        """The last events are delivered before the orchestrator exits."""
        config = self.hook('echo "$EVENT_KIND" >> kinds').replace("worker.died", "*")
        self.configure(config)
        running = self.start()
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        kinds = Path(self.folder, "kinds").read_text().split()
        self.assertEqual(kinds[-2:], ["orchestrator.stopping", "worker.ended"])

    def test_check(self) -> None:
        """The check finds wrong events, and warns of programs that are not there."""
        self.configure(self.hook("").replace("worker.died", "worker.dies"))
        self.assertRefuses(2, ["check"], "hooks[0].events: there is no event 'worker.dies'")
        self.configure(self.hook("").replace("./notify", "./other"))
        done = self.command("check")
        self.assertEqual(done.code, 0)
        self.assertIn("hooks[0].command: there is no program './other'", done.err)


class _Server:
    """An HTTP server.

    :ivar codes: the next responses; 204 when there are none.
    :ivar requests: the headers and the decoded bodies of all requests.
    """

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.requests: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(outer.codes.pop() if outer.codes else 204)
                self.end_headers()
                outer.requests.put((dict(self.headers), json.loads(body)))

            def log_message(self, format: str, *values: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
