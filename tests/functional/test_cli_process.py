"""The command line as a process: signals, standard streams, imports, the token, and ``ls``."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from unittest import skipIf

from tests.functional.cli_process import HELLO, CommandLineTestCase, read_line, reply_with_bytes


class ProcessTests(CommandLineTestCase):
    def test_interrupt(self) -> None:
        """Ctrl-C ends it without output, with exit code 130."""
        requested = threading.Event()

        def behave(connection: socket.socket) -> None:
            read_line(connection)
            requested.set()
            self.wait()

        self.listen(behave)
        process = self.start("call", "home", "/")
        self.assertTrue(requested.wait(20))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, out, err.strip()), (130, "", ""))

    def test_broken_pipe(self) -> None:
        """A broken pipe prints no traceback."""
        self.listen(reply_with_bytes(b'{"id": 1, "code": 200, "data": "%s"}\n' % (b"x" * 500_000)))
        reading, writing = os.pipe()
        os.close(reading)
        process = self.start("call", "home", "/", stdout=writing)
        os.close(writing)
        _, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, err), (1, ""))

    def test_any_locale(self) -> None:
        """Results and errors are UTF-8, also if the locale has another encoding."""
        os.environ["PYTHONIOENCODING"] = "ascii"
        self.addCleanup(os.environ.pop, "PYTHONIOENCODING")
        self.listen(reply_with_bytes('{"id": 1, "code": 200, "data": "a → b"}\n'.encode()), "home")
        self.listen(
            reply_with_bytes(
                '{"id": 1, "status": "error", "code": 409, "message": "x", "detail": "a → b"}\n'.encode()
            ),
            "user",
        )
        self.assertEqual(self.run_command("call", "home", "/").out, '"a → b"\n')
        self.assertError(self.run_command("call", "user", "/"), 4, "a → b")

    def test_not_utf8(self) -> None:
        """Arguments that are not UTF-8 are an error of one line."""
        self.listen(reply_with_bytes(HELLO))
        for arguments in (["/\udcff"], ["POST", "/", "--idempotency-key", "\udcff"], ["/", "a=\udcff"]):
            outcome = self.run_command("call", "home", *arguments)
            self.assertError(outcome, 2, r"\udcff' is not valid UTF-8")

    def test_full_disk(self) -> None:
        """Output that cannot be written is an error."""
        self.listen(reply_with_bytes(HELLO))
        with open("/dev/full", "w") as full:
            outcome = self.run_command("call", "home", "/", stdout=full.fileno())
        self.assertError(outcome, 2, "No space left")

    def test_closed_streams(self) -> None:
        """Closed standard streams do not change the exit code."""
        self.listen(reply_with_bytes(HELLO))
        for words, code in [(["call", "home", "/"], 0), (["call", "nobody", "/"], 5), (["call"], 2)]:
            outcome = self.run_command(*words, closed="<&- >&- 2>&-")
            self.assertEqual((outcome.code, outcome.out, outcome.err), (code, "", ""))

    def test_data_from_closed_input(self) -> None:
        """Data from a closed standard input is an error."""
        outcome = self.run_command("call", "home", "/", "--data", "-", closed="<&-")
        self.assertError(outcome, 2, "standard input is closed")

    def test_light(self) -> None:
        """A call imports neither Twisted nor rich."""
        script = (
            "import sys; from unixsvc.cli.command import run; code = run(['call', 'home', '/']);"
            "print([name for name in ('twisted', 'rich', 'klein') if name in sys.modules], code)"
        )
        self.listen(reply_with_bytes(HELLO))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        out = subprocess.run(
            [sys.executable, "-c", script],
            cwd=self.folder, env=environment, check=True, capture_output=True, text=True, timeout=30,
        ).stdout  # fmt: skip
        self.assertEqual(out.splitlines()[1], "[] 0")


class TokenTests(CommandLineTestCase):
    def setUp(self) -> None:
        """Require a token, and write one."""
        super().setUp()
        self.configure('token = "required"')
        path = os.path.join(self.folder, ".auth_token")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("ab" * 32)
        self.requests: list[bytes] = []

    def behave(self, connection: socket.socket) -> None:
        """Record the request."""
        self.requests.append(read_line(connection))
        connection.sendall(HELLO)

    def test_token_sent(self) -> None:
        """The token is sent to a socket of the same user."""
        self.listen(self.behave)
        self.assertEqual(self.run_command("call", "home", "/").code, 0)
        self.assertEqual(json.loads(self.requests[0])["auth_token"], "ab" * 32)

    @skipIf(os.geteuid() != 0, "only root can listen as another user")
    def test_other_user(self) -> None:
        """It is not sent to a socket on which another user listens."""
        os.chmod(self.folder, 0o777)
        listening = self.listen_as(65534, binder=65534)
        outcome = self.run_command("call", "home", "/", "--timeout", "2")
        self.assertError(outcome, 5, "another user listens there (uid 65534)")
        connection, _ = listening.accept()
        with connection:
            self.assertEqual(connection.recv(100), b"")

    @skipIf(os.geteuid() != 0, "only root can listen as another user")
    def test_worker_of_other_user(self) -> None:
        """It is sent to a worker with another user if only root could bind the socket."""
        listening = self.listen_as(65534, binder=0)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                self.behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        outcome = self.run_command("call", "home", "/", "--timeout", "5")
        thread.join(10)
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        self.assertIn(b"ab" * 32, self.requests[0])

    def listen_as(self, uid: int, *, binder: int) -> socket.socket:
        """The listening user counts, not the one that has bound the socket."""
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        before = os.geteuid()
        try:
            os.seteuid(binder)
            listening.bind(os.path.join(self.folder, "service_home.sock"))
            os.seteuid(before)
            os.seteuid(uid)
            listening.listen(5)
        finally:
            os.seteuid(before)
        return listening


class Listing(CommandLineTestCase):
    def test_ls(self) -> None:
        """Listening services are listed, sorted."""
        self.listen(None, "user")
        self.listen(None, "home", backlog=0)
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(os.path.join(self.folder, "service_gone.sock"))
        outcome = self.run_command("ls")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "home\nuser\n", ""))

    def test_nothing(self) -> None:
        """If no service runs, standard error says how to start one."""
        outcome = self.run_command("ls")
        self.assertEqual((outcome.code, outcome.out), (0, ""))
        self.assertIn("twistd -n unixsvc", outcome.err)

    def test_invalid_directory(self) -> None:
        """A file in place of the socket directory is an error."""
        self.assertError(self.run_command("ls", "--socket-dir", "unixsvc.toml"), 2, "unixsvc.toml")
