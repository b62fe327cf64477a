from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.shrink import shrink, smaller
from tests.differential.steps import Conversation, Send, Shut, Until, drop_group, groups_of, pieces_of, show

_STEPS = (
    Send(1, 0, b"one\n", (1, 2), joined=True),
    Send(2, 0, b"two\n"),
    Until(1, id=1),
    Send(3, 0, b"three\n"),
    Shut(3),
)


def _finish(coroutine: Any) -> Any:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


class ShrinkingTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A conversation of three groups."""
        self.conversation = Conversation(7, "required/main", _STEPS)

    def shrunk(self, needed: bytes, most: int = 60) -> Conversation:
        """Shrink while some bytes are still sent."""

        async def differs(candidate: Conversation) -> bool:
            return any(isinstance(each, Send) and each.data == needed for each in candidate.steps)

        found: Conversation = _finish(shrink(self.conversation, differs, most))
        return found

    def test_smallest(self) -> None:
        """Steps without effect are removed, with their cuts."""
        self.assertEqual(self.shrunk(b"one\n").steps, (Send(1, 0, b"one\n"),))
        self.assertEqual(self.shrunk(b"two\n").steps, (Send(2, 0, b"two\n"),))

    def test_bounded(self) -> None:
        """The number of conversations is limited."""
        self.assertEqual(self.shrunk(b"one\n", 0), self.conversation)

    def test_smaller(self) -> None:
        """Each candidate has fewer steps, and at least one."""
        for each in smaller(self.conversation):
            self.assertNotEqual(each, self.conversation)
            self.assertTrue(each.steps)

    def test_time(self) -> None:
        """It does not go on for ever where each try takes long."""
        times = iter(range(0, 1000, 15))
        tried = []

        async def differs(candidate: Conversation) -> bool:
            tried.append(candidate)
            return False

        _finish(shrink(self.conversation, differs, now=lambda: float(next(times))))
        self.assertEqual(len(tried), 1)

    def test_no_reply_to_wait_for(self) -> None:
        """Where a request is left out, its reply is not waited for."""
        steps = (Send(1, 0, b'{"id":7}\n'), Send(1, 0, b'{"id":"7"}\n'), Until(1, id=7), Until(1, id="7"))
        found = [each.steps for each in smaller(Conversation(1, "required/main", steps))]
        self.assertIn((steps[1], steps[3]), found)
        self.assertIn((steps[0], steps[2]), found)

    def test_groups(self) -> None:
        """The steps of a group are removed together."""
        self.assertEqual(groups_of(self.conversation), [1, 2, 3])
        self.assertEqual(groups_of(drop_group(self.conversation, 1)), [2, 3])


class StepTests(SynchronousTestCase):
    def test_pieces(self) -> None:
        """Data is cut at its cuts, completely."""
        step = Send(1, 0, b"abcdef", (4, 2, 2, 0, 99))
        self.assertEqual(pieces_of(step, step.data), [b"ab", b"cd", b"ef"])
        self.assertEqual(pieces_of(Send(1), b""), [b""])

    def test_show(self) -> None:
        """The text has the seed, the service and each step; long data is shortened."""
        text = show(Conversation(7, "required/main", (Send(1, 2, b"x" * 900), Until(1, id="a")), name="long"))
        self.assertIn("required/main, seed 7, long", text)
        self.assertIn("(900 bytes)", text)
        self.assertIn("id='a'", text)
        self.assertLess(len(text), 600)

    def test_requests(self) -> None:
        """The number of requests is that of their responses."""
        steps = (Send(1, replies=1), Send(1), Send(1, 1, replies=1))
        self.assertEqual(Conversation(1, "required/http", steps, http=True).requests, 2)
