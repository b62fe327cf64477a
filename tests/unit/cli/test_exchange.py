"""What a line from a service means; the socket itself is tested with real ones."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.exchange import read_answer
from unixsvc.errors import BadGateway


class ReadAnswer(SynchronousTestCase):
    def test_success(self) -> None:
        """A result is kept as it came."""
        answer = read_answer(b'{"id": 1, "code": 200, "data": {"a":  1.50}}', "x")
        assert answer is not None
        self.assertEqual((answer.failed, bytes(answer.data)), (False, b'{"a":  1.50}'))

    def test_failure(self) -> None:
        """A failure has its code and detail, also where the id was not readable."""
        for start in [b'{"id": 1, ', b"{"]:
            answer = read_answer(
                start + b'"status": "error", "code": 404, "message": "?", "detail": [7]}', "x"
            )
            assert answer is not None
            self.assertEqual((answer.failed, answer.code, answer.detail), (True, 404, [7]))

    def test_not_for_us(self) -> None:
        """Other lines are passed over."""
        for line in [b'{"goaway": true}', b'{"id": 2, "code": 200, "data": 1}', b"{}"]:
            self.assertIs(read_answer(line, "x"), None)

    def test_nonsense(self) -> None:
        """What the protocol does not know is a failure of the service behind, not of ours."""
        for line in [
            b"",
            b"hello",
            b"[]",
            b'{"id": 1',
            b'{"id": 1, "data": "\xff"}',
            b'{"id":1,"code":"x"}',
            b"[" * 99999,
        ]:
            self.assertIn("x: ", self.assertRaises(BadGateway, read_answer, line, "x").detail)
