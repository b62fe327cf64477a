"""Socket paths are removed by another process while the orchestrator runs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase
from tests.functional.raw_client import RawConnection


class RemovedPathTests(OrchestratorTestCase):
    """Paths that ``rm`` or a cleaner of temporary files removes."""

    config = """
[services.codes]
app = "codes:app"
workers = 2
[services.other]
app = "codes:app"
"""

    def is_served(self, path: str) -> bool:
        """Whether clients can connect to a path."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(path) == 0

    def test_service(self) -> None:
        """The path is bound again, workers that listen there replace the others, and no call is lost."""
        running = self.start()
        before, others = self.worker_pids(), self.worker_pids("other")
        load = self.load()
        talk = self.talk()
        talk.send(id=1, path="/wait", data={"seconds": 1.0})
        os.unlink(self.path())
        self.eventually(lambda: os.path.exists(self.path()))
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.eventually(lambda: len(self.worker_pids()) == 2 and not set(before) & set(self.worker_pids()))
        self.assertEqual(talk.receive()["data"], 1.0)
        self.assert_no_call_lost(load)
        self.assertEqual(self.worker_pids("other"), others)
        self.assertEqual(len(running.logged("was removed or replaced")), 1)
        self.assertEqual(running.logged("Traceback"), [])

    def test_control(self) -> None:
        """The control API is reachable again; a client that was connected is served on."""
        running = self.start()
        before = self.worker_pids()
        talk = self.talk("orchestrator")
        talk.ask(id=1, path="/-/ping")
        os.unlink(self.path("orchestrator"))
        self.eventually(lambda: os.path.exists(self.path("orchestrator")))
        self.assertEqual(self.worker_pids(), before)
        self.assertEqual(talk.ask(id=2, path="/-/ping")["data"], "pong")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual(os.listdir(os.path.join(self.folder, "run")), [".lock"])

    def test_http(self) -> None:
        """A path of the HTTP gateway is bound again, and its other sockets stay."""
        path = os.path.join(self.folder, "web.sock")
        listen = f'listen = ["tcp:0:interface=127.0.0.1", "unix:{path}"]\n'
        self.configure(self.config + f'[http]\n{listen}mounts = {{ "/codes" = "codes" }}\n')
        running = self.start()
        where = running.until("listens on")["message"]
        port = int(where.partition("127.0.0.1:")[2].partition(",")[0])
        with socket.create_connection(("127.0.0.1", port)) as client:
            os.unlink(path)
            self.eventually(lambda: self.is_served(path))
            client.sendall(b"GET /-/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b"HTTP/1.1 ", client.recv(1000))
        with socket.create_connection(("127.0.0.1", port)), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(path)
            client.sendall(b"GET /-/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b"HTTP/1.1 ", client.recv(1000))

    def test_directory(self) -> None:
        """The end of the directory is an error in the log; all is bound when it is back, a reload works."""
        running = self.start()
        before = self.worker_pids()
        talk = self.talk()
        run = os.path.join(self.folder, "run")
        shutil.rmtree(run)
        running.until(f"{run}: was removed", "mkdir -m 700")
        running.signal(signal.SIGHUP)
        running.until("reloaded all services")
        self.assertEqual(talk.ask(id=1, path="/item/1")["code"], 200)
        os.mkdir(run, 0o700)
        for name in "orchestrator", "codes", "other":
            self.eventually(lambda name=name: self.is_served(self.path(name)))  # type: ignore[misc]
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
        self.eventually(lambda: len(self.worker_pids()) == 2 and not set(before) & set(self.worker_pids()))
        self.assertEqual(len(running.logged(f"{run}: was removed")), 1)
        self.assertEqual(running.logged("Traceback"), [])


class LockTests(OrchestratorTestCase):
    """The lock file is removed."""

    def second(self) -> OrchestratorProcess:
        """Start another orchestrator in the same directory, which does not start."""
        second = self.start(ready=False)
        self.assertEqual(second.wait(), 2)
        self.assertIn("another orchestrator runs here", second.errors)
        self.assertEqual(second.errors.count("\n"), 1)
        return second

    def test_lock_removed(self) -> None:
        """Without the lock file too, no other orchestrator serves the directory; it is locked again."""
        running = self.start()
        before = self.worker_pids()
        os.unlink(os.path.join(self.folder, "run", ".lock"))
        self.second()
        self.eventually(lambda: os.path.exists(os.path.join(self.folder, "run", ".lock")))
        self.second()
        self.assertEqual(self.worker_pids(), before)
        self.assertEqual(running.logged("Traceback"), [])

    def test_stopped_orchestrator(self) -> None:
        """An orchestrator that cannot lock again because it is suspended keeps its directory."""
        running = self.start()
        running.signal(signal.SIGSTOP)
        os.unlink(os.path.join(self.folder, "run", ".lock"))
        self.second()
        running.signal(signal.SIGCONT)
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})

    def test_taken(self) -> None:
        """One whose directory another has taken meanwhile binds nothing there, and says so."""
        running = self.start()
        running.signal(signal.SIGSTOP)
        shutil.rmtree(os.path.join(self.folder, "run"))
        second = self.start()
        inode = os.lstat(self.path()).st_ino
        running.signal(signal.SIGCONT)
        running.until("another orchestrator runs here")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual(os.lstat(self.path()).st_ino, inode)
        with RawConnection(self.path(), self.token()) as talk:
            self.assertEqual(talk.ask(id=1, path="/item/1")["code"], 200)
        self.assertEqual(second.logged("was removed or replaced"), [])


class OccupiedPathTests(OrchestratorTestCase):
    """Something else is at the path."""

    def test_in_the_way(self) -> None:
        """A file is not touched: it is an error in the log, and a reload works; then it is removed."""
        running = self.start()
        os.unlink(self.path())
        path = Path(self.path())
        running.until("was removed or replaced")
        # It is bound again before anything can be put there, so the socket is replaced.
        replacement = Path(self.folder, "precious")
        replacement.write_text("precious")
        os.rename(replacement, path)
        running.until("is in the way, and is not a socket")
        self.assertDone("reload")
        self.assertEqual(path.read_text(), "precious")
        path.unlink()
        self.eventually(path.is_socket)
        self.assertEqual(self.ask("codes", "/item/3"), {"id": 3})
