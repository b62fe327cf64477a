"""Questions to one worker."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.orchestrator.pool.questions import Finding, Questions
from unixsvc.orchestrator.worker.inspection import split
from unixsvc.orchestrator.worker.messages import Inspect, Inspected


class QuestionTests(SynchronousTestCase):
    """What becomes of a question."""

    def setUp(self) -> None:
        """A worker that says nothing by itself."""
        self.clock = Clock()
        self.sent: list[Inspect] = []
        self.questions = Questions(self.clock, self.sent.append)

    def ask(self) -> Deferred[Finding]:
        """Ask one."""
        return self.questions.ask("requests", {}, 2.0, 7, 1)

    def answer(self, number: int, text: str, size: int = 100) -> None:
        """Answer in parts."""
        for part in split(number, text, size):
            self.questions.answered(part)

    def test_answers(self) -> None:
        """Each answer goes to its question, and parts are put together."""
        first, second = self.ask(), self.ask()
        numbers = [each.number for each in self.sent]
        self.questions.answered(Inspected(numbers[0], "[1,", more=True))
        self.answer(numbers[1], '"other"')
        self.assertEqual(bytes(self.successResultOf(second).answer or b""), b'"other"')
        self.assertNoResult(first)
        self.questions.answered(Inspected(numbers[0], "2]"))
        self.assertEqual(bytes(self.successResultOf(first).answer or b""), b"[1,2]")

    def test_parts(self) -> None:
        """An answer is split into parts of a size; an empty one is a part as well."""
        self.assertEqual([each.part for each in split(1, "abcde", 2)], ["ab", "cd", "e"])
        self.assertEqual([each.more for each in split(1, "abcd", 2)], [True, False])
        self.assertEqual(split(1, "", 2), [Inspected(1)])

    def test_silent(self) -> None:
        """A worker that does not answer in time is reported, and its late answer is ignored."""
        asked = self.ask()
        self.clock.advance(2.0)
        self.assertEqual(self.successResultOf(asked), Finding(7, 1, problem="no answer within 2 s"))
        self.answer(1, "[]")

    def test_failed(self) -> None:
        """The error of a worker is the problem."""
        asked = self.ask()
        self.questions.answered(Inspected(1, error="KeyError: 'x'"))
        self.assertEqual(self.successResultOf(asked), Finding(7, 1, problem="KeyError: 'x'"))

    def test_ended(self) -> None:
        """If the worker ends, its questions have no answers."""
        asked = self.ask()
        self.questions.end()
        self.assertEqual(self.successResultOf(asked).problem, "it has ended")


class PoolQuestionTests(PoolTestCase):
    """Questions to the workers of a pool."""

    def test_all_or_one(self) -> None:
        """Every ready worker is asked, or the one with a pid; the end of a worker answers for it."""
        first, second = self.run_pool()
        asked = self.pool.inspect("requests", {}, 1.0)
        first.report(Inspected(1, "[]"))
        self.assertNoResult(asked)
        second.end(by=9)
        findings = self.successResultOf(asked)
        self.assertEqual([each.pid for each in findings], [1000, 1001])
        self.assertEqual(findings[1].problem, "it has ended")
        one = self.pool.inspect("requests", {}, 1.0, 1000)
        self.assertEqual(first.commands.count("inspect"), 2)
        first.report(Inspected(2, "[]"))
        self.assertEqual(len(self.successResultOf(one)), 1)
        self.assertEqual(self.successResultOf(self.pool.inspect("requests", {}, 1.0, 1001)), [])
