"""Tests of the orchestrator under adverse conditions."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import OrchestratorTestCase


class DescriptorTests(OrchestratorTestCase):
    """More clients than a worker has file descriptors for."""

    config = '[services.codes]\napp = "codes:app"\nwatchdog = 2\nrlimits = { open_files = 100 }\n'

    def test_used_up(self) -> None:
        """Clients are refused or wait; others are served, and the worker survives."""
        running = self.start()
        before = self.worker_pids()
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 3.0})
        talk.ask(id=2, path="/item/2")
        crowd = []
        for _ in range(200):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.connect(self.path())
            crowd.append(client)
        self.assertEqual(talk.receive(), {"id": 1, "code": 200, "data": 3.0})
        crowd[60].settimeout(10)
        self.assertIn(b'"code":503', crowd[60].recv(1000))
        for each in crowd:
            each.close()
        self.eventually(lambda: self.status()["workers"][0]["connections"] < 10)
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertEqual(self.worker_pids(), before)
        self.assertEqual(running.logged("Traceback"), [])

    def test_default(self) -> None:
        """By default, a worker has the maximum number of file descriptors."""
        self.configure('[services.codes]\napp = "codes:app"\n')
        self.start()
        soft, hard = psutil.Process(self.worker_pids()[0]).rlimit(psutil.RLIMIT_NOFILE)
        self.assertEqual(soft, hard)


class OpenFilesTests(OrchestratorTestCase):
    """The orchestrator has no file descriptors left."""

    config = '[services.codes]\napp = "codes:app"\nstart_limit = 1\nstable_after = 0.001\n'

    def limit_open_files(self, pid: int, spare: int) -> None:
        """Let a process open this number of files, and no more; its reserve does not count."""
        descriptors = [int(each) for each in os.listdir(f"/proc/{pid}/fd")]
        self.assertGreater(len(descriptors), 16)
        _, hard = psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)
        psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE, (max(descriptors) + 1 + spare, hard))

    def test_no_worker(self) -> None:
        """A worker that cannot be started is no early death; it starts when there are descriptors."""
        running = self.start()
        process = psutil.Process(running.process.pid)
        limits = process.rlimit(psutil.RLIMIT_NOFILE)
        (worker,) = self.worker_pids()
        process.rlimit(psutil.RLIMIT_NOFILE, (8, limits[1]))
        os.kill(worker, signal.SIGKILL)
        running.until("a worker cannot be started: Too many open files")
        process.rlimit(psutil.RLIMIT_NOFILE, limits)
        running.until("is ready", "worker", times=2)
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertEqual((self.status()["status"], self.status()["problem"]), ("ready", ""))

    def test_crowd(self) -> None:
        """Clients of the control API that say nothing cannot prevent the start of a worker."""
        running = self.start()
        (worker,) = self.worker_pids()
        self.limit_open_files(running.process.pid, 40)
        crowd = []
        for _ in range(60):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):  # its backlog is full
                client.connect(self.path("orchestrator"))
                crowd.append(client)
        os.kill(worker, signal.SIGKILL)
        running.until("is ready", "worker", times=2)
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.assertEqual(running.logged("Too many open files"), [])
        crowd[0].settimeout(20)
        self.assertIn(b'"code":408', crowd[0].recv(1000))  # it was silent for five seconds
        self.assertEqual(self.status()["status"], "ready")


class PathTests(OrchestratorTestCase):
    """Files are removed by another process."""

    def test_in_the_way(self) -> None:
        """A file at the path of a socket is named by the command and the status, and can be removed."""
        self.start()
        self.assertDone("stop", "codes")
        Path(self.path()).write_text("precious")
        self.assertRefuses(4, ["start", "codes"], "is not a socket")
        self.assertIn("is not a socket", self.status()["problem"])
        os.unlink(self.path())
        self.assertDone("start", "codes")
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})

    def test_configuration_removed(self) -> None:
        """A missing configuration is an error at a reload, and does not start the demo."""
        running = self.start()
        os.unlink(os.path.join(self.folder, "unixsvc.toml"))
        running.signal(signal.SIGHUP)
        running.until("the reload has failed", "unixsvc.toml", "no such file")
        self.assertTrue(os.path.exists(self.path()))
        self.assertFalse(os.path.exists(self.path("home")))


class ChangedDependencyTests(OrchestratorTestCase):
    """Dependencies change."""

    def test_cycle_with_running(self) -> None:
        """A reload of one service may not form a cycle; a reload of all may reverse it."""
        tables = '[services.a]\napp = "codes:app"\n{}\n[services.b]\napp = "codes:app"\n{}\n'
        self.configure(tables.format('depends_on = ["b"]', ""))
        running = self.start()
        self.configure(tables.format("", 'depends_on = ["a"]'))
        self.assertRefuses(4, ["reload", "b"], "depend on each other")
        self.assertDone("reload")
        self.assertDone("restart")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)


class StoppingTests(OrchestratorTestCase):
    """The orchestrator stops."""

    config = (
        '[services.a]\napp = "codes:app"\n'
        '[services.b]\napp = "codes:app"\ndepends_on = ["a"]\ndrain_timeout = 600\nrequest_timeout = 600\n'
    )

    def test_start_during_stop(self) -> None:
        """During a stop, starts are refused, and no socket is left behind."""
        running = self.start()
        talk = self.talk("b")
        gate = Path(self.folder, "gate")
        talk.send(id=1, path="/wait-for-file", data={"path": str(gate)})
        talk.ask(id=2, path="/item/2")
        running.signal(signal.SIGTERM)
        running.until("stopping")
        for command in ("start", "b"), ("restart", "b"), ("scale", "b", "2"), ("reload",):
            self.assertEqual(self.command(*command).code, 4, command)
        gate.touch()
        self.assertEqual(talk.receive()["data"], str(gate))
        self.assertEqual((running.wait(), running.left()), (0, []))
        self.assertEqual(list(Path(self.folder, "run").glob("*.sock")), [])

    def test_idle_client_after_reload(self) -> None:
        """A client that has been idle since a reload does not delay a stop."""
        running = self.start()
        talk = self.talk("a")
        talk.ask(id=1, path="/item/1")
        self.assertDone("reload")
        self.assertEqual(len(running.left()), 3)
        started = time.monotonic()
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertLess(time.monotonic() - started, self.on_busy_machine(5.0))
        self.assertEqual(talk.rest(), b"")

    def test_status_client_disconnects(self) -> None:
        """A client that cancels a request for the status leaves no traceback."""
        running = self.start()
        for _ in range(10):  # of the 16 that the control API serves at a time
            with self.talk("orchestrator") as talk:
                talk.send(id=1, path="/status")
        self.assertEqual(set(self.ask("orchestrator", "/status")), {"a", "b"})
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual(running.logged("Unhandled"), [])


class BlockedLoopTests(OrchestratorTestCase):
    """The event loop of the orchestrator is blocked, by an inline service."""

    config = OrchestratorTestCase.config + (
        '[services.blocking]\napp = "blocking:app"\nisolation = "inline"\n'
    )

    def test_third_signal(self) -> None:
        """The third signal ends the orchestrator and all workers."""
        running = self.start()
        with self.talk("blocking") as talk:
            talk.send(id=1, path="/sleep", data={"seconds": 60})
            time.sleep(0.5)
            for _ in range(3):
                self.assertIsNone(running.process.poll())
                running.signal(signal.SIGTERM)
                time.sleep(0.3)
        self.assertEqual(running.process.wait(10), 1)
        self.eventually(self.connection_refused, 5.0)

    def connection_refused(self) -> bool:
        """Whether a client is refused."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.path()) != 0
