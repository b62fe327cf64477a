"""Idempotency keys with several workers, restarts and crashes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import random
import signal
import sqlite3
import stat
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import skipIf

from tests.functional.orchestrator_process import OrchestratorTestCase, full
from tests.functional.raw_client import RawConnection

_KEYS = 2000 if full() else 200
_THREADS = 8


class IdempotencyTests(OrchestratorTestCase):
    """Four workers."""

    config = '[services.counting]\napp = "counting:app"\nworkers = 4\nboot_timeout = 60\n'

    @property
    def file(self) -> Path:
        """The path of the database."""
        return Path(self.folder, "run", ".answers_counting", "answers.sqlite3")

    def runs(self) -> Counter[str]:
        """The number of runs by name."""
        file = Path(self.folder, "runs")
        return Counter(file.read_text().splitlines() if file.exists() else [])

    def post(self, key: str, path: str = "/run", **data: Any) -> Any:
        """Send a request with a key on a new connection; returns the reply."""
        with self.talk("counting") as talk:
            return talk.ask(id=1, method="POST", path=path, data=data, meta={"idempotency_key": key})

    def until_four(self) -> None:
        """Wait until there are four workers."""
        self.eventually(lambda: len(self.worker_pids("counting")) == 4)

    def test_repeated_key(self) -> None:
        """Each worker repeats the stored reply, on other connections."""
        self.start()
        first = self.post("a", name="x")
        failure = self.post("b", "/fail", name="y")
        self.assertEqual((first["code"], failure["code"]), (200, 409))
        for pid in {first["data"]["pid"], failure["detail"]["pid"]}:
            os.kill(pid, signal.SIGSTOP)  # so that it is others who answer
        for _ in range(10):
            self.assertEqual(self.post("a", name="x"), first)
            self.assertEqual(self.post("b", "/fail", name="y"), failure)
        for pid in {first["data"]["pid"], failure["detail"]["pid"]}:
            os.kill(pid, signal.SIGCONT)
        runs = self.runs()
        self.assertEqual((runs["x"], runs["y"]), (1, 1))

    def test_survives_a_restart(self) -> None:
        """Stored replies survive a restart of the orchestrator."""
        running = self.start()
        first = self.post("a", name="x")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.start()
        self.assertEqual(self.post("a", name="x"), first)
        self.assertEqual(self.runs()["x"], 1)

    def test_concurrent(self) -> None:
        """All requests with the key of a running action, in any worker, wait for its reply."""
        self.start()
        replies: list[Any] = []
        threads = [
            threading.Thread(target=lambda: replies.append(self.post("a", name="x", seconds=0.5)))
            for _ in range(16)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(len(replies), 16)
        self.assertEqual([each for each in replies if each != replies[0]], [])
        self.assertEqual(replies[0]["code"], 200)
        self.assertEqual(self.runs()["x"], 1)

    def test_disconnect(self) -> None:
        """After a disconnect, a key gets 409, or the result of a shielded action; it never runs again."""
        self.start()
        for path, code in (("/run", 409), ("/shielded", 200)):
            data, meta = {"name": path, "seconds": 0.5}, {"idempotency_key": path}
            with self.talk("counting") as talk:
                talk.send(id=1, method="POST", path=path, data=data, meta=meta)
                self.eventually(lambda path=path: self.runs()[path])  # type: ignore[misc]
            self.assertEqual(self.post(path, path, **data)["code"], code)
            self.assertEqual(self.runs()[path], 1)

    def test_killed(self) -> None:
        """The key of an action in a killed worker gets 409 immediately and never runs again."""
        self.start()
        with self.talk("counting") as talk:
            data = {"name": "x", "seconds": 60}
            talk.send(id=1, method="POST", path="/run", data=data, meta={"idempotency_key": "a"})
            self.eventually(lambda: self.runs()["x"])
            for pid in self.worker_pids("counting"):
                os.kill(pid, signal.SIGKILL)
        self.until_four()
        for _ in range(3):
            reply = self.post("a", name="x", seconds=60)
            self.assertEqual(reply["code"], 409)
            self.assertIn("outcome is not known", reply["detail"])
        self.assertEqual(self.runs()["x"], 1)

    def test_no_file_without_keys(self) -> None:
        """The file and its directory are created for the first key, for their user only."""
        self.start()
        with self.talk("counting") as talk:
            talk.ask(id=1, method="POST", path="/run", data={"name": "x"})
        self.assertFalse(self.file.parent.exists())
        self.post("a", name="x")
        self.assertEqual(stat.S_IMODE(self.file.parent.stat().st_mode), 0o700)
        for each in self.file.parent.iterdir():
            self.assertEqual(stat.S_IMODE(each.stat().st_mode), 0o600, each)
        self.assertTrue(self.file.exists())

    def test_lock_of_another_program(self) -> None:
        """A program that holds a lock on the socket directory does not hold up the service."""
        self.start()
        folder = os.open(self.file.parent.parent, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        self.assertEqual(self.post("a", name="x")["code"], 200)

    def test_stopped_worker(self) -> None:
        """A worker that is stopped while it has the lock holds up keys until it goes on, and no worker."""
        self.start()
        self.post("a", name="x")
        holder = sqlite3.connect(self.file, isolation_level=None)
        self.addCleanup(holder.close)
        holder.execute("BEGIN IMMEDIATE")
        data = {"name": "y"}
        with self.talk("counting") as keyed, self.talk("counting") as plain:
            keyed.send(id=1, method="POST", path="/run", data=data, meta={"idempotency_key": "b"})
            for number in range(2, 12):
                reply = plain.ask(id=number, method="POST", path="/run", data={"name": "z"})
                self.assertEqual(reply["code"], 200)
            holder.execute("ROLLBACK")
            self.assertIn(keyed.receive()["code"], (200, 503))
        self.assertEqual(self.post("b", name="y")["code"], 200)
        self.assertEqual(self.runs()["y"], 1)

    def test_damaged(self) -> None:
        """A damaged file prevents the start and is named in the error."""
        for each in self.file.parent.parent, self.file.parent:
            os.mkdir(each, 0o700)
        self.file.write_bytes(b"nonsense" * 1000)
        self.file.chmod(0o600)
        running = self.start(ready=False)
        running.until(str(self.file), "cannot be used")

    @skipIf(os.geteuid() != 0, "only root can run workers as another user")
    def test_other_user(self) -> None:
        """Workers of another user have a directory of their own; only they can write to it, and root."""
        os.chmod(self.folder, 0o755)
        self.configure(self.config + 'user = "nobody"\n')
        Path(self.folder, "runs").touch()
        os.chmod(Path(self.folder, "runs"), 0o666)
        running = self.start()
        self.assertEqual([self.post("a", name="y")["code"] for _ in range(5)], [200] * 5)
        self.assertEqual(self.runs(), {"y": 1})
        run, nobody = self.file.parent.parent, pwd.getpwnam("nobody")
        self.assertEqual((run.stat().st_uid, stat.S_IMODE(run.stat().st_mode)), (0, 0o711))
        for each in self.file.parent, *self.file.parent.iterdir():
            state = each.stat()
            self.assertEqual((state.st_uid, state.st_gid), (nobody.pw_uid, nobody.pw_gid), each)
        running.signal(signal.SIGTERM)
        running.wait()
        self.configure(self.config)
        running = self.start(ready=False)
        running.until(str(self.file.parent), f"belongs to uid {nobody.pw_uid}, and the workers run as uid 0")

    def test_killed_at_random(self) -> None:
        """While workers are killed, each key with a result runs once, all others at most once."""
        self.start()
        codes: dict[str, int] = {}
        done = threading.Event()
        killer = threading.Thread(target=self.kill_until, args=(done,))
        callers = [
            threading.Thread(target=self.post_all, args=(keys, codes))
            for keys in ([f"key {n}" for n in range(at, _KEYS, _THREADS)] for at in range(_THREADS))
        ]
        for each in (killer, *callers):
            each.start()
        for each in callers:
            each.join()
        done.set()
        killer.join()
        runs = self.runs()
        self.record_value(f"{_KEYS} keys, {self.killed} workers killed: {dict(Counter(codes.values()))}")
        self.assertEqual(len(codes), _KEYS)
        self.assertEqual(set(codes.values()) - {200, 409}, set())
        self.assertEqual({key: n for key, n in runs.items() if n > 1}, {})
        self.assertEqual([key for key, code in codes.items() if code == 200 and runs[key] != 1], [])
        self.assertGreater(self.killed, 0)
        self.assertGreater(list(codes.values()).count(200), _KEYS // 2)
        self.until_four()
        for key in list(codes)[:20]:
            self.assertEqual(self.post(key, name=key, seconds=0.1)["code"], codes[key])

    def kill_until(self, done: threading.Event) -> None:
        """Kill workers at random."""
        self.killed = 0
        while not done.wait(0.15):
            with contextlib.suppress(OSError, EOFError):
                pids = self.worker_pids("counting")
                if len(pids) > 2:
                    os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311
                    self.killed += 1

    def post_all(self, keys: list[str], codes: dict[str, int]) -> None:
        """Send each request until there is a final reply."""
        for key in keys:
            deadline = time.monotonic() + 30.0
            while key not in codes and time.monotonic() < deadline:
                try:
                    with RawConnection(self.path("counting"), self.token()) as talk:
                        reply = talk.ask(
                            id=1,
                            method="POST",
                            path="/run",
                            data={"name": key, "seconds": 0.1},
                            meta={"idempotency_key": key},
                        )
                except (OSError, EOFError):
                    continue
                if reply["code"] != 503:
                    codes[key] = reply["code"]
