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

PATIENCE = 10.0  # seconds after which a test has failed; none waits for so long otherwise


@implementer(IReactorFromThreads)
class Turns:
    """A reactor that has its turns when the test says so."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], Any]] = queue.Queue()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        """Keep the call for a turn."""
        self._calls.put(lambda: callable(*args, **kwargs))

    def turn(self) -> None:
        """Wait for a call, and make it."""
        self._calls.get(timeout=PATIENCE)()

    @property
    def idle(self) -> bool:
        """Whether no call waits."""
        return self._calls.empty()


class Gate:
    """A function that is in a thread until the test lets it go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.left = threading.Event()

    def __call__(self) -> str:
        """Say so, wait, and say so again."""
        self.entered.set()
        assert self.open.wait(PATIENCE)
        self.left.set()
        return threading.current_thread().name


class ThreadTests(SynchronousTestCase):
    """The pool."""

    def setUp(self) -> None:
        """Two threads."""
        self.reactor = Turns()
        self.gates: list[Gate] = []
        self.runner = ThreadRunner(self.reactor, 2)
        self.runner.startService()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Let everything end."""
        for gate in self.gates:
            gate.open.set()
        self.runner.stopService()

    def enter(self, count: int) -> list[Deferred[Any]]:
        """Have threads occupied, by gates."""
        gates = [Gate() for _ in range(count)]
        self.gates += gates
        deferreds = [self.runner.run(gate) for gate in gates]
        for gate in gates:
            self.assertTrue(gate.entered.wait(PATIENCE))
        return deferreds

    def test_result(self) -> None:
        """The function is called in another thread; its result comes back in the reactor's."""
        threads: list[threading.Thread] = []
        deferred = self.runner.run(threading.current_thread)
        deferred.addCallback(lambda thread: threads.extend([thread, threading.current_thread()]))
        self.assertEqual(threads, [])
        self.reactor.turn()
        self.assertIsNot(threads[0], threading.current_thread())
        self.assertIs(threads[1], threading.current_thread())
        self.assertTrue(threads[0].name.startswith("blocking"))

    def test_failure(self) -> None:
        """So does what it raises, whatever that is."""
        for error in (NotFound("x"), KeyError("x"), SystemExit(3)):

            def function(error: BaseException = error) -> None:
                raise error

            deferred = self.runner.run(function)
            self.reactor.turn()
            self.assertIs(self.failureResultOf(deferred).value, error)

    def test_context(self) -> None:
        """The function finds the context variables of whoever has it called."""
        variable: ContextVar[int] = ContextVar("variable", default=0)
        variable.set(7)
        deferred = self.runner.run(variable.get)
        variable.set(8)
        self.reactor.turn()
        self.assertEqual(self.successResultOf(deferred), 7)

    def test_at_a_time(self) -> None:
        """No more functions run at a time than there are threads; the next begins when one ends."""
        first, second = self.enter(2)
        third = Gate()
        self.gates.append(third)
        deferred = self.runner.run(third)
        self.gates[0].open.set()
        self.reactor.turn()
        self.assertTrue(third.entered.wait(PATIENCE))
        self.assertTrue(self.successResultOf(first))
        self.assertNoResult(second)
        self.assertNoResult(deferred)

    def test_limit(self) -> None:
        """A function beyond the limit has not begun while the others run."""
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
        """A function whose request is over before a thread was free is never called."""
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
        """A function that is cancelled before its turn is not kept, and what it holds neither."""
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
        """One that is being called goes on; its result is dropped."""
        [deferred] = self.enter(1)
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
        self.gates[0].open.set()
        other = self.runner.run(lambda: 7)
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.successResultOf(other), 7)

    def test_no_thread_to_be_had(self) -> None:
        """Where the system gives no thread the caller is told so, and nothing is lost for later."""

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
        """To stop waits for nobody; later work is refused, and what waits for a thread is never called."""
        self.enter(2)
        called: list[int] = []
        waiting = self.runner.run(lambda: called.append(1))
        self.runner.stopService()
        self.failureResultOf(waiting, Unavailable)
        self.failureResultOf(self.runner.run(lambda: called.append(2)), Unavailable)
        for gate in self.gates:
            gate.open.set()
            self.assertTrue(gate.left.wait(PATIENCE))
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(called, [])
        self.assertTrue(self.reactor.idle)
