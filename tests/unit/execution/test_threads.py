"""Functions in threads."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.errors import NotFound, Unavailable
from unixsvc.execution.threads import ThreadRunner

TIMEOUT = 10.0  # seconds; only reached if a test fails


@implementer(IReactorFromThreads)
class Turns:
    """A reactor whose turns are run by the test."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], Any]] = queue.Queue()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        """Store the call for a turn."""
        self._calls.put(lambda: callable(*args, **kwargs))

    def turn(self) -> None:
        """Wait for a call, and run it."""
        self._calls.get(timeout=TIMEOUT)()

    @property
    def idle(self) -> bool:
        """Whether no call is stored."""
        return self._calls.empty()


class Gate:
    """A function that blocks its thread until the test releases it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.left = threading.Event()

    def __call__(self) -> str:
        """Signal the start, block, and signal the end."""
        self.entered.set()
        assert self.open.wait(TIMEOUT)
        self.left.set()
        return threading.current_thread().name


class ThreadTests(SynchronousTestCase):
    """The thread pool."""

    def setUp(self) -> None:
        """Create a pool of two threads."""
        self.reactor = Turns()
        self.gates: list[Gate] = []
        self.runner = ThreadRunner(self.reactor, 2)
        self.runner.startService()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Stop the pool."""
        for gate in self.gates:
            gate.open.set()
        self.runner.stopService()

    def enter(self, count: int) -> list[Deferred[Any]]:
        """Occupy threads."""
        gates = [Gate() for _ in range(count)]
        self.gates += gates
        deferreds = [self.runner.run(gate) for gate in gates]
        for gate in gates:
            self.assertTrue(gate.entered.wait(TIMEOUT))
        return deferreds

    def test_queued(self) -> None:
        """Jobs that wait for a thread are counted, until they have one or are cancelled."""
        self.enter(2)
        waiting = [self.runner.run(str) for _ in range(3)]
        self.assertEqual(self.runner.queued, 3)
        waiting[1].cancel()
        self.failureResultOf(waiting[1])
        waiting[2].addErrback(lambda _: None)  # it has no thread at the end
        self.assertEqual(self.runner.queued, 2)
        self.gates[0].open.set()
        self.reactor.turn()
        self.assertEqual(self.runner.queued, 1)

    def test_result(self) -> None:
        """The function runs in another thread; its Deferred fires in the reactor's thread."""
        threads: list[threading.Thread] = []
        deferred = self.runner.run(threading.current_thread)
        deferred.addCallback(lambda thread: threads.extend([thread, threading.current_thread()]))
        self.assertEqual(threads, [])
        self.reactor.turn()
        self.assertIsNot(threads[0], threading.current_thread())
        self.assertIs(threads[1], threading.current_thread())
        self.assertTrue(threads[0].name.startswith("blocking"))

    def test_failure(self) -> None:
        """Any exception of the function is the failure of its Deferred."""
        for error in (NotFound("x"), KeyError("x"), SystemExit(3)):

            def function(error: BaseException = error) -> None:
                raise error

            deferred = self.runner.run(function)
            self.reactor.turn()
            self.assertIs(self.failureResultOf(deferred).value, error)

    def test_context(self) -> None:
        """The function has the context variables of its caller."""
        variable: ContextVar[int] = ContextVar("variable", default=0)
        variable.set(7)
        deferred = self.runner.run(variable.get)
        variable.set(8)
        self.reactor.turn()
        self.assertEqual(self.successResultOf(deferred), 7)

    def test_at_a_time(self) -> None:
        """At most as many functions run as there are threads; the next starts when one ends."""
        first, second = self.enter(2)
        third = Gate()
        self.gates.append(third)
        deferred = self.runner.run(third)
        self.gates[0].open.set()
        self.reactor.turn()
        self.assertTrue(third.entered.wait(TIMEOUT))
        self.assertTrue(self.successResultOf(first))
        self.assertNoResult(second)
        self.assertNoResult(deferred)

    def test_limit(self) -> None:
        """A function above the limit does not start while the others run."""
        self.enter(2)
        called: list[int] = []
        deferred = self.runner.run(lambda: called.append(1))
        self.assertEqual(called, [])
        self.assertNoResult(deferred)
        self.gates[1].open.set()
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(called, [1])

    def test_cancelled_before_its_turn(self) -> None:
        """A function that is cancelled before its start is never called."""
        self.enter(2)
        called: list[str] = []
        dropped = self.runner.run(lambda: called.append("dropped"))
        last = self.runner.run(lambda: called.append("last"))
        dropped.cancel()
        self.failureResultOf(dropped, CancelledError)
        self.gates[0].open.set()
        self.gates[1].open.set()
        for _ in range(3):
            self.reactor.turn()
        self.successResultOf(last)
        self.assertEqual(called, ["last"])
        self.assertTrue(self.reactor.idle)

    def test_cancelled_is_not_kept(self) -> None:
        """A function that is cancelled before its start is not referenced."""
        self.enter(2)

        class Large:
            def __call__(self) -> None: ...

        large = Large()
        gone = weakref.ref(large)
        deferred = self.runner.run(large)
        del large
        self.assertIsNotNone(gone())
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
        self.assertIsNone(gone())

    def test_cancelled_while_it_runs(self) -> None:
        """A function that is cancelled while it runs continues; its result is dropped."""
        [deferred] = self.enter(1)
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
        self.gates[0].open.set()
        other = self.runner.run(lambda: 7)
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.successResultOf(other), 7)

    def test_no_thread_to_be_had(self) -> None:
        """If no thread can be started, the job fails with Unavailable, and later jobs run."""

        class Poor(ThreadRunner):
            rich = False

            def _start_thread(self) -> bool:
                return self.rich and super()._start_thread()

        runner = Poor(self.reactor, 2)
        self.addCleanup(runner.stopService)
        for _ in range(3):
            self.failureResultOf(runner.run(int), Unavailable)
        runner.rich = True
        deferred = runner.run(int)
        self.reactor.turn()
        self.assertEqual(self.successResultOf(deferred), 0)

    def test_stopped(self) -> None:
        """Stopping does not wait; later jobs are refused, and pending ones are never called."""
        self.enter(2)
        called: list[int] = []
        waiting = self.runner.run(lambda: called.append(1))
        self.runner.stopService()
        self.failureResultOf(waiting, Unavailable)
        self.failureResultOf(self.runner.run(lambda: called.append(2)), Unavailable)
        for gate in self.gates:
            gate.open.set()
            self.assertTrue(gate.left.wait(TIMEOUT))
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(called, [])
        self.assertTrue(self.reactor.idle)
