"""``unixsvc call`` with an idempotency key, against services that fail at first."""

from __future__ import annotations

import json
import os
import socket
import threading

from tests.functional.cli_process import HELLO, CommandLineTestCase, read_line

_BUSY = b'{"id": 1, "status": "error", "code": 503, "message": "Busy", "detail": {"retry_after": 1.0}}\n'
_POST = ("call", "home", "POST", "/x", "--timeout", "10")
_KEY = ("--idempotency-key", "k")


class RetryTests(CommandLineTestCase):
    def reply_with(self, *answers: bytes) -> list[bytes]:
        """Reply to each connection with the next of these; the requests."""
        requests: list[bytes] = []
        left = list(answers)

        def behave(connection: socket.socket) -> None:
            requests.append(read_line(connection))
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        self.listen(behave)
        return requests

    def test_retried(self) -> None:
        """A POST with a key is retried, with one id, after a lost connection, a 503 and half a reply."""
        requests = self.reply_with(b"", _BUSY, b'{"id": 1, "co', HELLO)
        outcome = self.run_command(*_POST, *_KEY)
        self.assertEqual((outcome.code, outcome.out), (0, '{"message": "Hello World!"}\n'))
        metas = [json.loads(each)["meta"] for each in requests]
        request_id = metas[0]["request_id"]
        self.assertEqual(metas, [{"request_id": request_id, "idempotency_key": "k"}] * 4)

    def test_no_key(self) -> None:
        """Without a key it is sent once."""
        for answer, words in ((b"", "the connection was closed"), (_BUSY, "503 Busy")):
            requests = self.reply_with(answer)
            self.assertError(self.run_command(*_POST), 5, words)
            self.assertEqual(len(requests), 1)
            os.unlink(os.path.join(self.folder, "service_home.sock"))

    def test_other_error(self) -> None:
        """It is not retried after another error."""
        requests = self.reply_with(b'{"id": 1, "status": "error", "code": 409, "detail": "lost"}\n')
        self.assertError(self.run_command(*_POST, *_KEY), 4, "409 Conflict: lost")
        self.assertEqual(len(requests), 1)

    def test_items(self) -> None:
        """It is not retried after an item, as the item was printed."""
        requests = self.reply_with(b'{"id": 1, "more": true, "data": 7}\n')
        outcome = self.run_command("call", "home", "GET", "/x", *_KEY)
        self.assertEqual((outcome.code, outcome.out, len(requests)), (5, "7\n", 1))
        self.assertIn("the connection was closed", outcome.err)

    def test_timeout(self) -> None:
        """It fails after its timeout."""
        self.reply_with(b"")
        outcome = self.run_command("call", "home", "POST", "/x", "--timeout", "0.4", *_KEY)
        self.assertError(outcome, 5, "no answer within 0.4 s")
        self.assertTrue(outcome.seconds < 1.9)

    def test_restart(self) -> None:
        """It succeeds when the service listens again."""
        path = os.path.join(self.folder, "service_home.sock")
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(path)
        process = self.start(*_POST, *_KEY)

        def listen_again() -> None:
            os.unlink(path)
            self.reply_with(HELLO)

        timer = threading.Timer(1.0, listen_again)
        timer.start()
        self.assertEqual(process.communicate(timeout=20)[0], '{"message": "Hello World!"}\n')
        timer.join()
