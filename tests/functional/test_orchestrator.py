"""Tests of the orchestrator and its workers with real processes and signals."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase
from tests.functional.raw_client import RawConnection

_TWO = '[services.codes]\napp = "codes:app"\nworkers = 2\n'


class LifecycleTests(OrchestratorTestCase):
    """From the first worker to the last."""

    config = _TWO

    def assertClean(self, running: OrchestratorProcess, code: int = 0) -> None:
        """The orchestrator exits with a code, and leaves no process and no socket behind."""
        self.assertEqual((running.wait(), running.errors), (code, ""))
        self.assertEqual(running.left(), [])
        self.assertEqual(list(Path(self.folder, "run").glob("*.sock")), [])

    def test_processes(self) -> None:
        """Each worker is a process with a title, and accepts from the same socket."""
        running = self.start()
        pids = self.worker_pids()
        self.assertEqual(len(pids), 2)
        self.assertEqual(running.left(), ["unixsvc: codes [1]", "unixsvc: codes [2]"])
        self.assertIn(self.ask("codes", "/peer")["worker"], pids)

    def test_peer(self) -> None:
        """An action knows the process of its client."""
        self.start()
        peer = self.ask("codes", "/peer")
        self.assertEqual((peer["uid"], peer["pid"]), (os.getuid(), os.getpid()))

    def test_modes(self) -> None:
        """Sockets, their directory and the token have restricted modes."""
        self.start()
        modes = {path: stat.S_IMODE(os.stat(path).st_mode) for path in self.files()}
        self.assertEqual(modes, dict(zip(self.files(), (0o660, 0o600, 0o700, 0o600), strict=True)))

    def files(self) -> list[str]:
        """The files and their modes."""
        token = os.path.join(self.folder, ".auth_token")
        return [self.path(), self.path("orchestrator"), os.path.dirname(self.path()), token]

    def test_killed_worker(self) -> None:
        """When every worker is killed, the next call succeeds within a second, and all are replaced."""
        running = self.start()
        for seconds in (1.0, 2.0):
            before = self.worker_pids()
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            started = time.monotonic()
            self.assertNotIn(self.ask("codes", "/peer")["worker"], before)
            self.assertLess(time.monotonic() - started, self.on_busy_machine(seconds))
            self.eventually(lambda: self.statuses() == ["ready", "ready"])
        running.until("signal 9")

    def test_killed_worker_with_a_child(self) -> None:
        """The death of a worker is noticed even if its child process lives on."""
        self.configure('[services.codes]\napp = "codes:app"\n')
        running = self.start()
        self.assertEqual(self.ask("codes", "/spawn"), 0)
        started = time.monotonic()
        os.kill(self.worker_pids()[0], signal.SIGKILL)
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertLess(time.monotonic() - started, self.on_busy_machine(3.0))
        running.interrupt()
        self.assertEqual(running.wait(), 0)

    def statuses(self) -> list[str]:
        """The statuses of the workers."""
        return [each["status"] for each in self.ask("orchestrator", "/status")["codes"]["workers"]]

    def test_interrupt(self) -> None:
        """At Ctrl-C pending requests are answered, the exit code is 0, and nothing is left behind."""
        running = self.start()
        talk, idle = self.talk(), self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 0.5})
        talk.ask(id=2, path="/item/2")
        running.interrupt()
        self.assertEqual(talk.receive(), {"id": 1, "code": 200, "data": 0.5})
        self.assertEqual((talk.rest(), idle.rest()), (b"", b""))
        self.assertClean(running)

    def test_early_interrupt(self) -> None:
        """Ctrl-C before the workers are ready stops it without a traceback, and nothing is left behind."""
        for delay in (0.0, 0.05, 0.2, 0.4):
            running = self.start(ready=False)
            running.until("starting up")
            time.sleep(delay)
            running.interrupt()
            # By the signal if it comes before the services start.
            self.assertIn(running.wait(), (0, -signal.SIGINT))
            self.assertEqual((running.errors, running.left()), ("", []))
            self.assertEqual([each for each in running.log if "log_failure" in each], [])

    def test_terminate(self) -> None:
        """At TERM pending requests are answered, also those still in the socket."""
        running = self.start()
        talk = self.talk()
        talk.raw(b"".join(talk.encode(id=n, path="/wait", data={"seconds": 0.1}) for n in range(2000)))
        running.signal(signal.SIGTERM)
        self.assertEqual({talk.receive()["id"] for _ in range(2000)}, set(range(2000)))
        self.assertClean(running)

    def test_terminated_worker(self) -> None:
        """A worker that gets TERM exits while clients keep connecting, and each is served."""
        self.start()
        before = self.worker_pids()
        over = threading.Event()
        replies: list[object] = []

        def connect() -> None:
            while not over.is_set():
                replies.append(self.ask("codes", "/item/3"))

        def crowd() -> None:
            talks = []
            while not over.is_set():
                with contextlib.suppress(BlockingIOError):  # the backlog is full
                    talks.append(RawConnection(self.path()))
                time.sleep(0.0005)  # some are accepted in each turn of the loop
            for each in talks:
                each.close()

        threads = [threading.Thread(target=each) for each in (connect, crowd)]
        for each in threads:
            each.start()
        try:
            self.eventually(lambda: len(replies) > 20)
            for pid in before:
                os.kill(pid, signal.SIGTERM)
            self.eventually(lambda: not any(map(psutil.pid_exists, before)), 10.0)
        finally:
            over.set()
            for each in threads:
                each.join()
        self.assertEqual(set(map(str, replies)), {"{'id': 3}"})

    def test_terminal_closed(self) -> None:
        """When the terminal is closed, pending requests are answered."""
        terminal, theirs = pty.openpty()
        running = self.start(stdin=theirs)
        os.close(theirs)
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 0.5})
        talk.ask(id=2, path="/item/2")
        os.close(terminal)
        os.killpg(running.process.pid, signal.SIGHUP)
        self.assertEqual(talk.receive(), {"id": 1, "code": 200, "data": 0.5})
        self.assertClean(running)

    def test_second_signal(self) -> None:
        """A second signal ends the orchestrator at once."""
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/never")
        talk.ask(id=2, path="/item/2")
        running.interrupt()
        running.until("stopping")
        running.interrupt()
        self.assertClean(running)

    def test_orchestrator_killed(self) -> None:
        """When the orchestrator is killed, its workers answer pending requests and exit."""
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 0.3})
        talk.ask(id=2, path="/item/2")
        running.signal(signal.SIGKILL)
        running.process.wait(10)
        self.assertTrue(os.path.exists(self.path()))
        again = self.start()
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertEqual(talk.receive(), {"id": 1, "code": 200, "data": 0.3})
        self.eventually(lambda: running.left() == [], 2.0)
        again.interrupt()
        self.assertClean(again)

    def test_second_orchestrator(self) -> None:
        """A second orchestrator on the same directory exits with 2; the first is not affected."""
        self.start()
        second = self.start(ready=False)
        self.assertEqual(second.wait(), 2)
        self.assertRegex(
            second.errors, r"^unixsvc: .*another orchestrator runs here \(pid \d+\); stop it.*\n$"
        )
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertEqual(len(self.worker_pids()), 2)

    def test_status(self) -> None:
        """The status has the keys that scripts for the PHP original read."""
        self.start()
        self.ask("codes", "/item/3")
        self.ask("codes", "/wait", data={"seconds": 0.01})
        with self.talk() as talk:
            talk.ask(id=1, path="/fail")
        status = self.ask("orchestrator", "/status")["codes"]
        keys = {
            "pid",
            "uptime",
            "status",
            "class",
            "requests",
            "errors",
            "avgResponseTime",
            "workers",
            "latency",
            "problem",
            "services",
            "wrong_tokens",
            "handler",
            "listen",
            "schedules",
            "tasks",
            "probes",
            "received_bytes",
            "sent_bytes",
            "calls",
            "queued",
        }
        self.assertEqual(set(status), keys)
        self.assertEqual((status["requests"], status["errors"], status["class"]), (3, 1, "codes:app"))
        self.assertGreater(status["avgResponseTime"], 0.003)
        self.assertGreater(status["latency"]["p99"], 0.0095)  # 10 ms, within 5 %
        self.assertGreater(status["workers"][0]["rss"], 1 << 20)

    def test_counters_outlive_workers(self) -> None:
        """The counters of a worker are kept after its end."""
        self.start()
        for _ in range(5):
            self.ask("codes", "/item/3")
        self.assertEqual(self.ask("orchestrator", "/status")["codes"]["requests"], 5)
        for pid in self.worker_pids():
            os.kill(pid, signal.SIGTERM)
        self.eventually(lambda: self.statuses() == ["ready", "ready"])
        self.assertEqual(self.ask("orchestrator", "/status")["codes"]["requests"], 5)

    def test_token_not_exposed(self) -> None:
        """The token is in no log, argument or environment."""
        running = self.start()
        with self.talk() as talk:
            talk.ask(id=1, path="/fail")
        running.until("/fail")
        output = repr(running.log)
        for pid in [running.process.pid, *self.worker_pids()]:
            process = psutil.Process(pid)
            output += repr((process.cmdline(), process.environ()))
        self.assertNotIn(self.token(), output)


class BootTests(OrchestratorTestCase):
    """A start that fails says why."""

    def assertRefused(self, code: int, *words: str) -> None:
        """The start fails with a code and one line with these words, and leaves nothing behind."""
        running = self.start(ready=False)
        self.assertEqual(running.wait(), code)
        self.assertEqual(running.errors.count("\n"), 1, running.errors)
        for word in ("unixsvc: ", *words):
            self.assertIn(word, running.errors)
        self.assertEqual(running.left(), [])
        self.assertEqual(list(Path(self.folder, "run").glob("*.sock")), [])

    def test_broken_application(self) -> None:
        """An application that raises: exit code 3, with the service and the error."""
        for isolation in ("process", "inline"):
            self.configure(f'[services.x]\napp = "import_error:app"\nisolation = "{isolation}"\n')
            self.assertRefused(3, "services.x", "RuntimeError: the application is broken")

    def test_wrong_route(self) -> None:
        """An invalid route is named."""
        self.configure('[services.x]\napp = "invalid_route:app"\n')
        self.assertRefused(3, "services.x", "GET /item/{id:int}", "'id'")

    def test_application_exits(self) -> None:
        """An application that exits the process: the reason is its message."""
        self.configure('[services.x]\napp = "exits_on_import:app"\n')
        self.assertRefused(3, "services.x", "SystemExit: not today")

    def test_no_such_module(self) -> None:
        """An application whose module does not exist."""
        self.configure('[services.x]\napp = "nowhere:app"\n')
        self.assertRefused(3, "services.x", "nowhere")

    def test_wrong_configuration(self) -> None:
        """A wrong key is named with the file, and the exit code is 2."""
        self.configure('[services.x]\napp = "codes:app"\nworker = 2\n')
        self.assertRefused(2, "unixsvc.toml", "services.x.worker", "workers")

    def test_readable_token(self) -> None:
        """A token file that others can read is refused."""
        token = Path(self.folder, ".auth_token")
        token.write_text("0" * 64)
        token.chmod(0o644)
        self.assertRefused(2, ".auth_token", "chmod 600")

    def test_directory(self) -> None:
        """A directory that others can write to, or that is a link, is refused."""
        run = Path(self.folder, "run")
        run.mkdir()
        run.chmod(0o777)
        self.assertRefused(2, "others can write", "chmod")
        run.rename(run.with_name("elsewhere"))
        run.symlink_to("elsewhere")
        self.assertRefused(2, "symbolic link")

    def test_in_the_way(self) -> None:
        """A file that is not a socket is not removed."""
        os.mkdir(os.path.join(self.folder, "run"), 0o700)
        path = os.path.join(self.folder, "run", "service_codes.sock")
        Path(path).write_text("precious")
        running = self.start(ready=False)
        self.assertEqual(running.wait(), 2)
        self.assertIn("is not a socket", running.errors)
        self.assertEqual(Path(path).read_text(), "precious")

    def test_long_path(self) -> None:
        """A path that is too long for a socket is refused."""
        self.configure(self.config.replace("[", f"# {'x' * 90}\n[", 1))
        Path(self.folder, "unixsvc.toml").write_text(f'socket_dir = "{"x" * 100}"\n' + self.config)
        self.assertRefused(2, "at most 107")


class ModeTests(OrchestratorTestCase):
    """Inline services, output, daemons, and tokens that are off."""

    def test_inline(self) -> None:
        """An inline service runs in the orchestrator, serves and drains."""
        self.configure(self.config + 'isolation = "inline"\n')
        running = self.start()
        self.assertEqual(running.left(), [])
        self.assertEqual(self.ask("codes", "/peer")["worker"], running.process.pid)
        self.assertEqual(stat.S_IMODE(os.stat(self.path()).st_mode), 0o660)
        self.assertEqual(self.ask("codes", "/block", data={"seconds": 0.01}), 0.01)
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 0.3})
        talk.ask(id=2, path="/item/2")
        running.interrupt()
        self.assertEqual(talk.receive()["data"], 0.3)
        self.assertEqual(running.wait(), 0)
        self.assertFalse(os.path.exists(self.path()))

    def test_inline_blocking(self) -> None:
        """A blocking action that has timed out does not keep the orchestrator from exiting."""
        self.configure(self.config + 'isolation = "inline"\ndrain_timeout = 0.3\n')
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/block")
        talk.ask(id=2, path="/item/2")
        started = time.monotonic()
        running.interrupt()
        self.assertEqual(running.wait(), 0)
        self.assertLess(time.monotonic() - started, 10.0)

    def test_signalled_worker(self) -> None:
        """A worker that gets TERM exits within its drain timeout."""
        self.configure(self.config + "drain_timeout = 0.5\n")
        self.start()
        talk = self.talk()
        talk.send(id=1, path="/never")
        worker = talk.ask(id=2, path="/peer")["data"]["worker"]
        os.kill(worker, signal.SIGTERM)
        self.eventually(lambda: not psutil.pid_exists(worker), 5.0)

    def test_output(self) -> None:
        """The output of an application is logged under the name of its worker."""
        self.configure('[services.printing]\napp = "printing:app"\n')
        running = self.start()
        self.assertEqual(self.ask("printing", "/"), "hello")
        levels = {"imported": "info", "on standard output": "info", "on standard error": "error"}
        for words, level in levels.items():
            event = running.until(words)
            self.assertEqual((event["level"], event["namespace"]), (level, "printing[1]"))

    def test_output_after_orchestrator_exit(self) -> None:
        """An action that prints after a broken pipe is still answered."""
        self.configure('[services.printing]\napp = "printing:app"\n' + self.config)
        running = self.start()
        talk, other = self.talk("printing"), self.talk()
        talk.ask(id=1, path="/")
        other.send(id=1, path="/wait", data={"seconds": 0.5})
        other.ask(id=2, path="/item/2")
        slow = talk.encode(id=2, path="/later", data={"seconds": 0.3})
        talk.raw(slow)
        talk.ask(id=3, path="/-/ping")
        running.signal(signal.SIGKILL)
        self.assertEqual(talk.receive(), {"id": 2, "code": 200, "data": "hello"})

    def test_daemon(self) -> None:
        """As a daemon it works as well; errors go to the terminal, with the exit code."""
        command = [str(Path(sys.executable).with_name("twistd")), "unixsvc"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

        def run() -> tuple[int, str]:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=30,
            )
            return done.returncode, done.stderr

        self.assertEqual(run(), (0, ""))
        pid = int(Path(self.folder, "run", ".lock").read_text())
        daemon = psutil.Process(pid)
        try:
            self.eventually(lambda: self.ask("codes", "/item/3") == {"id": 3})
            code, said = run()
            self.assertEqual((code, said.count("\n")), (2, 1))
            self.assertIn(f"another orchestrator runs here (pid {pid})", said)
        finally:
            daemon.terminate()
        self.eventually(lambda: not daemon.is_running() or daemon.status() == psutil.STATUS_ZOMBIE)
        self.assertFalse(os.path.exists(self.path()))
        self.assertIn("ready: codes", Path(self.folder, "twistd.log").read_text())

    def test_token_off(self) -> None:
        """Without tokens, any process that can open the socket may call."""
        self.configure('[security]\ntoken = "off"\n' + self.config)
        self.start()
        self.assertEqual(self.talk(token=False).ask(id=1, path="/item/1")["code"], 200)

    def test_drain_timeout(self) -> None:
        """A worker that does not drain in time is killed."""
        self.configure(self.config + "drain_timeout = 0.3\nkill_timeout = 0.3\n")
        running = self.start()
        talk = self.talk()
        talk.send(id=1, path="/never")
        talk.ask(id=2, path="/item/2")
        started = time.monotonic()
        running.interrupt()
        self.assertEqual(running.wait(), 0)
        self.assertLess(time.monotonic() - started, 5.0)
        self.assertEqual(running.left(), [])

    def test_blocking_thread(self) -> None:
        """A blocked thread does not keep a drained worker from exiting."""
        running = self.start()
        with self.talk() as talk:
            self.assertEqual(talk.ask(id=1, path="/block", timeout=0.05)["code"], 504)
        started = time.monotonic()
        running.interrupt()
        self.assertEqual(running.wait(), 0)
        self.assertLess(time.monotonic() - started, 10.0)
