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


class Acting:
    """Starts services on request, and finishes when the test says so.

    :ivar suspended: the names, in order.
    """

    def __init__(self, dependencies: Mapping[str, Collection[str]]) -> None:
        self.suspended: list[str] = []
        self.ends: dict[str, Deferred[None]] = {}
        self.done = Deferred.fromCoroutine(run_in_order(dependencies, self.act))

    async def act(self, name: str) -> None:
        """Begin."""
        self.suspended.append(name)
        self.ends[name] = Deferred()
        await self.ends[name]


class InOrderTests(SynchronousTestCase):
    """The order of calls."""

    def test_waits(self) -> None:
        """Each name waits for its dependencies; independent names run at the same time."""
        acting = Acting(DIAMOND)
        self.assertEqual(acting.suspended, ["a", "e"])
        acting.ends["a"].callback(None)
        self.assertEqual(acting.suspended, ["a", "e", "b", "c"])
        acting.ends["b"].callback(None)
        self.assertEqual(len(acting.suspended), 4)
        acting.ends["c"].callback(None)
        self.assertEqual(acting.suspended[4:], ["d"])
        acting.ends["d"].callback(None)
        self.assertNoResult(acting.done)
        acting.ends["e"].callback(None)
        self.successResultOf(acting.done)

    def test_none(self) -> None:
        """Without names it is done at once."""
        self.successResultOf(Acting({}).done)

    def test_unknown(self) -> None:
        """A dependency that is not a name counts as done."""
        self.assertEqual(Acting({"a": ("elsewhere",)}).suspended, ["a"])

    def test_failure(self) -> None:
        """The error of a call is raised; dependents are not called, others are."""
        acting, error = Acting(DIAMOND), ConfigError("a", "is broken")
        acting.ends["a"].errback(error)
        self.assertIs(self.failureResultOf(acting.done, ConfigError).value, error)
        acting.ends["e"].callback(None)
        self.assertEqual(acting.suspended, ["a", "e"])

    def test_fails_at_once(self) -> None:
        """The error is raised at once, before other calls have ended."""
        acting = Acting(DIAMOND)
        acting.ends["e"].errback(ConfigError("e", "is broken"))
        self.failureResultOf(acting.done, ConfigError)

    def test_two_failures(self) -> None:
        """Of several errors the first one is raised, and the others are consumed."""
        acting = Acting({"a": (), "b": ()})
        acting.ends["a"].errback(ConfigError("a", "is broken"))
        acting.ends["b"].errback(ConfigError("b", "is broken"))
        self.assertEqual(self.failureResultOf(acting.done, ConfigError).value.where, "a")
        self.assertEqual(self.flushLoggedErrors(), [])

    @given(st.lists(st.sets(st.integers(0, 5)), max_size=6))
    def test_any(self, below: list[set[int]]) -> None:
        """For any dependencies, each name is called once, after its dependencies."""
        dependencies = {
            str(number): [str(each) for each in some if each < number] for number, some in enumerate(below)
        }
        acting = Acting(dependencies)
        for _ in dependencies:
            name = next(each for each in acting.suspended if not acting.ends[each].called)
            acting.ends[name].callback(None)
        self.successResultOf(acting.done)
        self.assertEqual(sorted(acting.suspended), sorted(dependencies))
        for name, others in dependencies.items():
            for each in others:
                self.assertLess(acting.suspended.index(each), acting.suspended.index(name))


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
