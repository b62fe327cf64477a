"""When a call is made again, and when it is not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.connect import ConnectAttemptFailed, ServiceUnreachable
from unixsvc.client.connection import Call
from unixsvc.client.retry import CircuitBreaker, ConnectionLost, RetryBudget, RetryState, pause_or_raise
from unixsvc.errors import DeadlineExceeded, NotFound, ServiceError, Unavailable

GET = Call("GET", "/item/7")
POST = Call("POST", "/item")
KEYED = Call("POST", "/item", meta={"idempotency_key": "k"})
REASON = ServiceUnreachable("here", "nobody listens", "start it")


class BudgetTests(SynchronousTestCase):
    """How much may be made again."""

    def test_share(self) -> None:
        """The reserve, and then one for each five calls."""
        budget = RetryBudget(share=0.2, reserve=2.0)
        self.assertEqual([budget.withdraw() for _ in range(3)], [True, True, False])
        for _ in range(4):
            budget.deposit()
        self.assertFalse(budget.withdraw())
        budget.deposit()
        self.assertEqual([budget.withdraw() for _ in range(2)], [True, False])

    def test_bound(self) -> None:
        """Calls that went well do not add up to more than the reserve."""
        budget = RetryBudget(share=0.2, reserve=2.0)
        for _ in range(1000):
            budget.deposit()
        self.assertEqual([budget.withdraw() for _ in range(3)], [True, True, False])

    def test_connection(self) -> None:
        """As it stands, all that one lost connection leaves unanswered may be made again."""
        budget = RetryBudget()
        self.assertTrue(all(budget.withdraw() for _ in range(64)))


class BreakerTests(SynchronousTestCase):
    """Refusing calls for a while."""

    def setUp(self) -> None:
        """Have one that opens after two."""
        self.breaker = CircuitBreaker(failures=2, pause=1.0, longest=3.0)

    def assertRefused(self, now: float, seconds: float) -> None:
        """A call is refused, and told for how long."""
        with self.assertRaises(Unavailable) as caught:
            self.breaker.admit(now)
        self.assertEqual(caught.exception.detail["retry_after"], seconds)
        self.assertIn("calls in a row", caught.exception.detail["reason"])
        self.assertTrue(self.breaker.is_open(now))

    def test_opens(self) -> None:
        """After so many failures in a row, calls are refused, and counted."""
        self.breaker.failed(0.0)
        self.breaker.succeeded()
        self.breaker.failed(1.0)
        self.breaker.admit(1.0)
        self.breaker.failed(1.0)
        self.assertRefused(1.25, 0.75)
        self.assertRefused(1.5, 0.5)
        self.assertEqual(self.breaker.refused, 2)

    def test_trial(self) -> None:
        """After the pause one call passes, and the others wait for how it ends; if well, all pass."""
        self.breaker.failed(0.0)
        self.breaker.failed(0.0)
        self.breaker.admit(1.0)
        self.assertRefused(1.5, 0.5)
        self.breaker.succeeded()
        self.assertFalse(self.breaker.is_open(1.5))
        self.breaker.admit(1.5)

    def test_doubles(self) -> None:
        """Each trial that fails doubles the pause, up to the longest; success brings back the first."""
        self.breaker.failed(0.0)
        self.breaker.failed(0.0)
        for now, pause in ((10.0, 2.0), (20.0, 3.0), (30.0, 3.0)):
            self.breaker.admit(now)
            self.breaker.failed(now)
            self.assertRefused(now, pause)
        self.breaker.succeeded()
        self.breaker.failed(40.0)
        self.breaker.failed(40.0)
        self.assertRefused(40.0, 1.0)

    def test_together(self) -> None:
        """Calls that were on their way when it opened, and do not find the service, add nothing."""
        for _ in range(50):
            self.breaker.failed(0.25)
        self.assertRefused(0.25, 1.0)


class CourseTestCase(SynchronousTestCase):
    """Has a clock that goes when the test says so, and no chance."""

    def setUp(self) -> None:
        """Begin at ten."""
        self.now = 10.0
        self.budget = RetryBudget(share=0.0, reserve=2.0)
        self.breaker = CircuitBreaker(failures=1)

    def retry_state(self, call: Call = GET, seconds: float = 30.0) -> RetryState:
        """One call."""
        return RetryState(call, self.now + seconds, seconds, self.budget, lambda: self.now, lambda: 1.0)


class CourseTests(CourseTestCase):
    """One call."""

    def assertNotAgain(
        self, retry_state: RetryState, problem: ConnectAttemptFailed | ConnectionLost | ServiceError
    ) -> ServiceError:
        """There is no other try; what the caller is told."""
        with self.assertRaises(ServiceError) as caught:
            retry_state.pause_after(problem)
        error: ServiceError = caught.exception
        return error

    def test_left(self) -> None:
        """What is left of the time; in the end, that it is over, and how much it was."""
        retry_state = self.retry_state(seconds=2.5)
        self.now += 1.0
        self.assertEqual(retry_state.left(), 1.5)
        self.now += 1.5
        with self.assertRaises(DeadlineExceeded) as caught:
            retry_state.left()
        self.assertEqual(caught.exception.detail, "no answer within 2.5 s")

    def test_pauses(self) -> None:
        """Pauses double up to half a second, and chance takes away up to half of each."""
        retry_state = self.retry_state()
        pauses = [retry_state.pause_after(ConnectAttemptFailed(REASON)) for _ in range(9)]
        self.assertEqual(pauses, [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5])
        hasty = RetryState(GET, 40.0, 30.0, self.budget, lambda: self.now, lambda: 0.0)
        self.assertEqual(hasty.pause_after(ConnectAttemptFailed(REASON)), 0.0025)

    def test_unreached(self) -> None:
        """What the service has not seen is made again whatever it is, as long as there is time."""
        retry_state = self.retry_state(POST, seconds=1.0)
        for _ in range(5):
            retry_state.pause_after(ConnectAttemptFailed(REASON))
        self.now += 0.999
        self.assertIs(self.assertNotAgain(retry_state, ConnectAttemptFailed(REASON)), REASON)

    def test_absent(self) -> None:
        """A service without a socket is waited for as long as a restart takes."""
        retry_state = self.retry_state()
        self.now += 1.9
        retry_state.pause_after(ConnectAttemptFailed(REASON, absent=True))
        self.now += 0.2
        self.assertIs(self.assertNotAgain(retry_state, ConnectAttemptFailed(REASON, absent=True)), REASON)

    def test_lost(self) -> None:
        """A call whose answer was lost is made again where that is safe; else the caller is told."""
        for call in (GET, KEYED):
            self.retry_state(call).pause_after(ConnectionLost())
        told = self.assertNotAgain(self.retry_state(POST), ConnectionLost())
        self.assertIsInstance(told, Unavailable)
        self.assertIn("the action may have run", str(told))

    def test_unavailable(self) -> None:
        """The same holds for one that the service would not answer now; the caller is told what it said."""
        answer = Unavailable(3.0)
        self.retry_state(GET).pause_after(answer)
        self.assertIs(self.assertNotAgain(self.retry_state(POST), answer), answer)

    def test_budget(self) -> None:
        """What is made again is counted over all calls."""
        for _ in range(2):
            self.retry_state().pause_after(ConnectionLost())
        self.assertNotAgain(self.retry_state(), ConnectionLost())

    def test_late(self) -> None:
        """Where the pause would outlast the time, it is over now."""
        self.assertIsInstance(
            self.assertNotAgain(self.retry_state(seconds=0.004), ConnectionLost()), DeadlineExceeded
        )


class EndTests(CourseTestCase):
    """What becomes of a call, and what the breaker is told."""

    def end(
        self, problem: ConnectAttemptFailed | ConnectionLost | ServiceError, *, again: bool = True
    ) -> ServiceError:
        """What the caller is told."""
        with self.assertRaises(ServiceError) as caught:
            pause_or_raise(problem, self.retry_state(POST), self.breaker, self.now, again=again)
        error: ServiceError = caught.exception
        return error

    def test_again(self) -> None:
        """There is another try, and the breaker hears nothing yet."""
        pause = pause_or_raise(ConnectionLost(), self.retry_state(), self.breaker, self.now, again=True)
        self.assertEqual((pause, self.breaker.is_open(self.now)), (0.005, False))

    def test_not_again(self) -> None:
        """Where there may be no other try, there is none, whatever the call is."""
        self.assertIs(self.end(ConnectAttemptFailed(REASON), again=False), REASON)
        self.assertTrue(self.breaker.is_open(self.now))

    def test_answer(self) -> None:
        """A failure that the service answers is passed on, and shows that it is there."""
        self.breaker.failed(self.now)
        answer = NotFound("no")
        self.assertIs(self.end(answer), answer)
        self.assertFalse(self.breaker.is_open(self.now))

    def test_overload(self) -> None:
        """That it is overloaded is passed on, and says nothing either way."""
        self.end(Unavailable())
        self.assertFalse(self.breaker.is_open(self.now))

    def test_away(self) -> None:
        """A service that is not found, or may not be asked, is away; one that loses a call was there."""
        for problem in (ConnectAttemptFailed(REASON), REASON):
            self.breaker.succeeded()
            self.end(problem, again=False)
            self.assertTrue(self.breaker.is_open(self.now), problem)
        self.breaker.succeeded()
        self.end(ConnectionLost())
        self.assertFalse(self.breaker.is_open(self.now))

    def test_deadline(self) -> None:
        """Our own deadline says how long it was; that of the service, what the service said."""
        self.assertEqual(self.end(DeadlineExceeded()).detail, "no answer within 30 s")
        self.assertEqual(self.end(DeadlineExceeded("theirs")).detail, "theirs")
