"""Tests of the order of dependencies."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.start_order import reversed_order, run_in_order

# The second and third depend on the first, the fourth on both; the last one on none.
DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}


class RecordedCalls:
    """Starts services on request, and finishes when the test says so.

    :ivar started: the names, in order.
    """

    def __init__(self, dependencies: Mapping[str, Collection[str]]) -> None:
        self.started: list[str] = []
        self.ends: dict[str, Deferred[None]] = {}
        self.done = Deferred.fromCoroutine(run_in_order(dependencies, self.act))

    async def act(self, name: str) -> None:
        """Record the call, and wait."""
        self.started.append(name)
        self.ends[name] = Deferred()
        await self.ends[name]


class InOrderTests(SynchronousTestCase):
    """The order of calls."""

    def test_waits(self) -> None:
        """Each name waits for its dependencies; independent names run at the same time."""
        calls = RecordedCalls(DIAMOND)
        self.assertEqual(calls.started, ["a", "e"])
        calls.ends["a"].callback(None)
        self.assertEqual(calls.started, ["a", "e", "b", "c"])
        calls.ends["b"].callback(None)
        self.assertEqual(len(calls.started), 4)
        calls.ends["c"].callback(None)
        self.assertEqual(calls.started[4:], ["d"])
        calls.ends["d"].callback(None)
        self.assertNoResult(calls.done)
        calls.ends["e"].callback(None)
        self.successResultOf(calls.done)

    def test_none(self) -> None:
        """Without names it is done at once."""
        self.successResultOf(RecordedCalls({}).done)

    def test_unknown(self) -> None:
        """A dependency that is not a name counts as done."""
        self.assertEqual(RecordedCalls({"a": ("elsewhere",)}).started, ["a"])

    def test_failure(self) -> None:
        """The error of a call is raised; dependents are not called, others are."""
        calls, error = RecordedCalls(DIAMOND), ConfigError("a", "is broken")
        calls.ends["a"].errback(error)
        self.assertIs(self.failureResultOf(calls.done, ConfigError).value, error)
        calls.ends["e"].callback(None)
        self.assertEqual(calls.started, ["a", "e"])

    def test_fails_at_once(self) -> None:
        """The error is raised at once, before other calls have ended."""
        calls = RecordedCalls(DIAMOND)
        calls.ends["e"].errback(ConfigError("e", "is broken"))
        self.failureResultOf(calls.done, ConfigError)

    def test_two_failures(self) -> None:
        """Of several errors the first one is raised, and the others are consumed."""
        calls = RecordedCalls({"a": (), "b": ()})
        calls.ends["a"].errback(ConfigError("a", "is broken"))
        calls.ends["b"].errback(ConfigError("b", "is broken"))
        self.assertEqual(self.failureResultOf(calls.done, ConfigError).value.where, "a")
        self.assertEqual(self.flushLoggedErrors(), [])

    @given(st.lists(st.sets(st.integers(0, 5)), max_size=6))
    def test_any(self, below: list[set[int]]) -> None:
        """For any dependencies, each name is called once, after its dependencies."""
        dependencies = {
            str(number): [str(each) for each in some if each < number] for number, some in enumerate(below)
        }
        calls = RecordedCalls(dependencies)
        for _ in dependencies:
            name = next(each for each in calls.started if not calls.ends[each].called)
            calls.ends[name].callback(None)
        self.successResultOf(calls.done)
        self.assertEqual(sorted(calls.started), sorted(dependencies))
        for name, others in dependencies.items():
            for each in others:
                self.assertLess(calls.started.index(each), calls.started.index(name))


class ReversedTests(SynchronousTestCase):
    """The reversed order."""

    def test_reversed(self) -> None:
        """Each name depends on its former dependents."""
        expected = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": [], "e": []}
        self.assertEqual(reversed_order(DIAMOND), expected)

    def test_twice(self) -> None:
        """Reversing twice gives the original."""
        self.assertEqual(
            reversed_order(reversed_order(DIAMOND)), {name: list(each) for name, each in DIAMOND.items()}
        )
