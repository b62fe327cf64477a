"""The command line against real sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

from tests.functional.cli_process import HELLO, CommandLineTestCase, read_line, reply_with_bytes
from unixsvc.blocking import Client
from unixsvc.client.errors import ServiceUnreachable


class ReplyTests(CommandLineTestCase):
    def test_result(self) -> None:
        """A call prints its result; the request is one line with its ids and the timeout."""
        requests: list[bytes] = []

        def behave(connection: socket.socket) -> None:
            requests.append(read_line(connection))
            connection.sendall(HELLO)

        self.listen(behave)
        outcome = self.run_command("call", "home", "POST", "/x", "name=Žofie", "--timeout", "5")
        self.assertEqual((outcome.out, outcome.err, outcome.code), ('{"message": "Hello World!"}\n', "", 0))
        message = json.loads(requests[0])
        self.assertTrue(4 < message.pop("timeout") <= 5)
        self.assertRegex(message.pop("meta")["request_id"], "^[0-9a-f]{16}$")
        expected = {"id": 1, "method": "POST", "path": "/x", "data": {"name": "Žofie"}}
        self.assertEqual(message, expected)
        self.assertEqual(requests[0].count(b"\n"), 1)

    def test_in_pieces(self) -> None:
        """A reply may arrive in pieces, after goaway and before other lines."""
        self.listen(reply_with_bytes(b'{"goaway": true}\n' + HELLO[:7], HELLO[7:30], HELLO[30:] + b'{"goa'))
        self.assertEqual(self.run_command("call", "home", "/").out, '{"message": "Hello World!"}\n')

    def test_large(self) -> None:
        """Messages larger than the socket buffers are sent and received."""

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

    def test_rejected_unread(self) -> None:
        """The error of a service that closes before it has read the message is printed."""
        refusal = (
            b'{"status": "error", "code": 413, "message": "Large", "detail": {"max_message_bytes": 64}}\n'
        )
        self.listen(lambda connection: connection.sendall(refusal))
        file = os.path.join(self.folder, "data.json")
        with open(file, "w") as stream:
            json.dump({"text": "x" * 5_000_000}, stream)
        outcome = self.run_command("call", "home", "/", "--data", f"@{file}")
        self.assertError(outcome, 4, "413 Large: max_message_bytes: 64")

    def test_standard_input(self) -> None:
        """Data can come through a pipe."""
        requests: list[bytes] = []

        def behave(connection: socket.socket) -> None:
            requests.append(read_line(connection))
            connection.sendall(HELLO)

        self.listen(behave)
        process = self.start("call", "home", "/", "--data", "-", stdin=subprocess.PIPE)
        process.communicate('{"name": "Ada"}', timeout=30)
        self.assertEqual(json.loads(requests[0])["data"], {"name": "Ada"})


class NoReplyTests(CommandLineTestCase):
    def test_no_reply(self) -> None:
        """Without a reply, the call fails after its timeout."""
        self.listen(lambda connection: self.wait())
        outcome = self.run_command("call", "home", "/", "--timeout", "0.3")
        self.assertError(outcome, 5, "no answer within 0.3 s")
        self.assertTrue(0.3 <= outcome.seconds < 1.8)

    def test_trickle(self) -> None:
        """Received bytes do not extend the timeout."""

        def behave(connection: socket.socket) -> None:
            for _ in range(40):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return
                time.sleep(0.05)

        self.listen(behave)
        outcome = self.run_command("call", "home", "/", "--timeout", "0.3")
        self.assertError(outcome, 5, "no answer within 0.3 s")

    def test_never_reads(self) -> None:
        """If the service does not read, the call fails after its timeout."""
        self.listen(lambda connection: self.wait())
        file = os.path.join(self.folder, "data.json")
        with open(file, "w") as stream:
            json.dump({"text": "x" * 5_000_000}, stream)
        outcome = self.run_command("call", "home", "/", "--timeout", "0.5", "--data", f"@{file}")
        self.assertError(outcome, 5, "no answer within 0.5 s")

    def test_closes(self) -> None:
        """A connection that is closed without a reply is an error."""
        self.listen(reply_with_bytes())
        self.assertError(self.run_command("call", "home", "/"), 5, "the connection was closed")

    def test_incomplete_reply(self) -> None:
        """An incomplete reply is an error."""
        self.listen(reply_with_bytes(HELLO[:20]))
        self.assertError(self.run_command("call", "home", "/"), 5, "the connection was closed")

    def test_invalid_reply(self) -> None:
        """An invalid reply is an error."""
        self.listen(reply_with_bytes(b"220 mail.example ESMTP\n"))
        self.assertError(self.run_command("call", "home", "/"), 5, "502 Bad gateway", "is not a message of")

    def test_stale_socket(self) -> None:
        """For a stale socket, the error says how to start the service."""
        path = os.path.join(self.folder, "service_home.sock")
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(path)
        self.assertError(self.run_command("call", "home", "/"), 5, "no process listens", "twistd -n unixsvc")

    def test_no_socket(self) -> None:
        """A file in place of a socket is an error."""
        with open(os.path.join(self.folder, "service_home.sock"), "w"):
            pass
        self.assertError(self.run_command("call", "home", "/"), 5, "service_home.sock")

    def test_permission_denied(self) -> None:
        """If permission is denied, the error says as which user to run."""
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


class FullBacklogTests(CommandLineTestCase):
    def fill(self, path: str) -> list[socket.socket]:
        """Fill the backlog."""
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

    def test_stays_full(self) -> None:
        """If the backlog stays full, the call fails after its timeout with 504, as for any late reply."""
        path = self.listen(None, backlog=1)
        self.fill(path)
        outcome = self.run_command("call", "home", "/", "--timeout", "0.3")
        self.assertError(outcome, 5, "504 Deadline exceeded: no answer within 0.3 s", path, "backlog is full")

    def test_waits(self) -> None:
        """When there is room in the backlog, the call succeeds."""
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
            reply_with_bytes(HELLO)(connection)
        self.assertEqual(process.communicate(timeout=20)[0], '{"message": "Hello World!"}\n')
