"""The command line against real sockets: what it sends, hears, and does without an answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

from tests.functional.cli_process import HELLO, CommandLineTestCase, answering, read_line
from unixsvc.blocking import Client
from unixsvc.client.errors import ServiceUnreachable


class Answers(CommandLineTestCase):
    def test_result(self) -> None:
        """A call prints the result, and what it sent is one line with an id and the time."""
        requests: list[bytes] = []

        def behave(connection: socket.socket) -> None:
            requests.append(read_line(connection))
            connection.sendall(HELLO)

        self.listen(behave)
        outcome = self.run_command("call", "home", "POST", "/x", "name=Žofie", "--timeout", "5")
        self.assertEqual((outcome.out, outcome.err, outcome.code), ('{"message": "Hello World!"}\n', "", 0))
        message = json.loads(requests[0])
        self.assertTrue(4 < message.pop("timeout") <= 5)
        expected = {"id": 1, "method": "POST", "path": "/x", "data": {"name": "Žofie"}}
        self.assertEqual(message, expected)
        self.assertEqual(requests[0].count(b"\n"), 1)

    def test_in_pieces(self) -> None:
        """An answer may come in any pieces, behind lines that are not for us, and before more."""
        self.listen(answering(b'{"goaway": true}\n' + HELLO[:7], HELLO[7:30], HELLO[30:] + b'{"goa'))
        self.assertEqual(self.run_command("call", "home", "/").out, '{"message": "Hello World!"}\n')

    def test_large(self) -> None:
        """Messages larger than the socket's buffers go through in both directions."""

        def behave(connection: socket.socket) -> None:
            data = json.loads(read_line(connection))["data"]
            connection.sendall(json.dumps({"id": 1, "code": 200, "data": data}).encode() + b"\n")

        self.listen(behave)
        text = "x" * 900_000
        file = os.path.join(self.folder, "data.json")
        with open(file, "w") as stream:
            json.dump({"text": text}, stream)
        outcome = self.run_command("call", "home", "/", "--data", f"@{file}")
        self.assertEqual(json.loads(outcome.out), {"text": text})

    def test_refused_before_it_is_read(self) -> None:
        """A service that refuses a message it has not read, and closes, is heard all the same."""
        refusal = (
            b'{"status": "error", "code": 413, "message": "Large", "detail": {"max_message_bytes": 64}}\n'
        )
        self.listen(lambda connection: connection.sendall(refusal))
        file = os.path.join(self.folder, "data.json")
        with open(file, "w") as stream:
            json.dump({"text": "x" * 5_000_000}, stream)
        outcome = self.run_command("call", "home", "/", "--data", f"@{file}")
        self.assertComplains(outcome, 4, "413 Large: max_message_bytes: 64")

    def test_standard_input(self) -> None:
        """Data may come through a pipe."""
        requests: list[bytes] = []

        def behave(connection: socket.socket) -> None:
            requests.append(read_line(connection))
            connection.sendall(HELLO)

        self.listen(behave)
        process = self.start("call", "home", "/", "--data", "-", stdin=subprocess.PIPE)
        process.communicate('{"name": "Ada"}', timeout=30)
        self.assertEqual(json.loads(requests[0])["data"], {"name": "Ada"})


class NoAnswers(CommandLineTestCase):
    def test_silence(self) -> None:
        """A service that says nothing is given up when the time is over."""
        self.listen(lambda connection: self.wait())
        outcome = self.run_command("call", "home", "/", "--timeout", "0.3")
        self.assertComplains(outcome, 5, "no answer within 0.3 s")
        self.assertTrue(0.3 <= outcome.seconds < 1.8)

    def test_trickle(self) -> None:
        """Bytes that keep coming do not prolong the time."""

        def behave(connection: socket.socket) -> None:
            for _ in range(40):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return
                time.sleep(0.05)

        self.listen(behave)
        outcome = self.run_command("call", "home", "/", "--timeout", "0.3")
        self.assertComplains(outcome, 5, "no answer within 0.3 s")

    def test_never_reads(self) -> None:
        """A service that does not read is given up likewise."""
        self.listen(lambda connection: self.wait())
        file = os.path.join(self.folder, "data.json")
        with open(file, "w") as stream:
            json.dump({"text": "x" * 5_000_000}, stream)
        outcome = self.run_command("call", "home", "/", "--timeout", "0.5", "--data", f"@{file}")
        self.assertComplains(outcome, 5, "no answer within 0.5 s")

    def test_closes(self) -> None:
        """A service that closes without an answer is no traceback."""
        self.listen(answering())
        self.assertComplains(self.run_command("call", "home", "/"), 5, "the connection was closed")

    def test_half_an_answer(self) -> None:
        """Half an answer is none."""
        self.listen(answering(HELLO[:20]))
        self.assertComplains(self.run_command("call", "home", "/"), 5, "the connection was closed")

    def test_nonsense(self) -> None:
        """What is no answer is said to be none."""
        self.listen(answering(b"220 mail.example ESMTP\n"))
        self.assertComplains(self.run_command("call", "home", "/"), 5, "502 Bad gateway", "no answer")

    def test_nobody_listens(self) -> None:
        """A socket that was left behind leads to how to start the service."""
        path = os.path.join(self.folder, "service_home.sock")
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(path)
        self.assertComplains(
            self.run_command("call", "home", "/"), 5, "no process listens", "twistd -n unixsvc"
        )

    def test_no_socket(self) -> None:
        """What only has the name of a socket is none."""
        with open(os.path.join(self.folder, "service_home.sock"), "w"):
            pass
        self.assertComplains(self.run_command("call", "home", "/"), 5, "service_home.sock")

    def test_not_allowed(self) -> None:
        """Who may not connect is told as whom to run."""
        path = self.listen(None)
        client = Client("home", socket_dir=self.folder, token="t", timeout=5.0)
        os.chmod(path, 0)
        os.chmod(self.folder, 0o711)
        uid = os.geteuid()
        os.seteuid(uid or 65534)  # root may connect to everything
        try:
            error = self.assertRaises(ServiceUnreachable, client.get, "/")
        finally:
            os.seteuid(uid)
        self.assertIn(f"{path}: permission to connect is denied; run as", str(error))


class FullQueue(CommandLineTestCase):
    def fill(self, path: str) -> list[socket.socket]:
        """Take all places of the queue of those who wait to be accepted."""
        waiting: list[socket.socket] = []
        while True:
            connection = socket.socket(socket.AF_UNIX)
            self.addCleanup(connection.close)
            connection.setblocking(False)
            try:
                connection.connect(path)
            except BlockingIOError:
                return waiting
            waiting.append(connection)

    def test_given_up(self) -> None:
        """Who never gets a place gives up when the time is over."""
        path = self.listen(None, backlog=1)
        self.fill(path)
        outcome = self.run_command("call", "home", "/", "--timeout", "0.3")
        self.assertComplains(outcome, 5, path, "cannot be reached")

    def test_waits(self) -> None:
        """Who gets a place in time is served."""
        path = os.path.join(self.folder, "service_home.sock")
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(path)
        listening.listen(1)
        waiting = self.fill(path)
        process = self.start("call", "home", "/", "--timeout", "20")
        time.sleep(1.0)  # it has found the backlog full by then; on a slow machine, the test proves less
        for _ in waiting:
            listening.accept()[0].close()
        listening.settimeout(20)
        connection, _ = listening.accept()
        with connection:
            answering(HELLO)(connection)
        self.assertEqual(process.communicate(timeout=20)[0], '{"message": "Hello World!"}\n')
