"""``unixsvc call`` with an idempotency key, against sockets that do not answer at once."""

from __future__ import annotations

import json
import os
import socket
import threading

from tests.functional.cli_process import HELLO, CommandLineTestCase, read_line

_BUSY = b'{"id": 1, "status": "error", "code": 503, "message": "Busy", "detail": {"retry_after": 1.0}}\n'
_POST = ("call", "home", "POST", "/x", "--timeout", "10")
_KEY = ("--idempotency-key", "k")


class Again(CommandLineTestCase):
    def answer_with(self, *answers: bytes) -> list[bytes]:
        """Answer each connection with the next of these; the requests."""
        requests: list[bytes] = []
        left = list(answers)

        def behave(connection: socket.socket) -> None:
            requests.append(read_line(connection))
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])

        self.listen(behave)
        return requests

    def test_again(self) -> None:
        """A POST whose connection ends, or that is told 503, is made again with its key until answered."""
        requests = self.answer_with(b"", _BUSY, b'{"id": 1, "co', HELLO)
        outcome = self.run_command(*_POST, *_KEY)
        self.assertEqual((outcome.code, outcome.out), (0, '{"message": "Hello World!"}\n'))
        metas = [json.loads(each)["meta"] for each in requests]
        self.assertEqual(metas, [{"idempotency_key": "k"}] * 4)

    def test_without(self) -> None:
        """Without a key it is asked once."""
        for answer, words in ((b"", "the connection was closed"), (_BUSY, "503 Busy")):
            requests = self.answer_with(answer)
            self.assertComplains(self.run_command(*_POST), 5, words)
            self.assertEqual(len(requests), 1)
            os.unlink(os.path.join(self.folder, "service_home.sock"))

    def test_refused(self) -> None:
        """What is answered is the answer: no other failure is asked again."""
        requests = self.answer_with(b'{"id": 1, "status": "error", "code": 409, "detail": "lost"}\n')
        self.assertComplains(self.run_command(*_POST, *_KEY), 4, "409 Conflict: lost")
        self.assertEqual(len(requests), 1)

    def test_items(self) -> None:
        """What items have come of is not asked again, as they are printed."""
        requests = self.answer_with(b'{"id": 1, "more": true, "data": 7}\n')
        outcome = self.run_command("call", "home", "GET", "/x", *_KEY)
        self.assertEqual((outcome.code, outcome.out, len(requests)), (5, "7\n", 1))
        self.assertIn("the connection was closed", outcome.err)

    def test_never(self) -> None:
        """It is over when the time is."""
        self.answer_with(b"")
        outcome = self.run_command("call", "home", "POST", "/x", "--timeout", "0.4", *_KEY)
        self.assertComplains(outcome, 5, "no answer within 0.4 s")
        self.assertTrue(outcome.seconds < 1.9)

    def test_restart(self) -> None:
        """A service that listens again meanwhile is asked then."""
        path = os.path.join(self.folder, "service_home.sock")
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(path)
        process = self.start(*_POST, *_KEY)

        def come_back() -> None:
            os.unlink(path)
            self.answer_with(HELLO)

        timer = threading.Timer(1.0, come_back)
        timer.start()
        self.assertEqual(process.communicate(timeout=20)[0], '{"message": "Hello World!"}\n')
        timer.join()
