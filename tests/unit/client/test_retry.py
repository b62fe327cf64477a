"""The retry policy: which calls are made again, and after which pause."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.breaker import CircuitBreaker
from unixsvc.client.connection import Call
from unixsvc.client.errors import AttemptFailed, ConnectAttemptFailed, ConnectionLost, ServiceUnreachable
from unixsvc.client.retry import Pause, RetryBudget, RetryPolicy, RetryState, retry
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.errors import DeadlineExceeded, Internal, NotFound, ServiceError, Unavailable

GET = Call("GET", "/item/7")
POST = Call("POST", "/item")
WITH_KEY = Call("POST", "/item", meta={"idempotency_key": "k"})
REASON = ServiceUnreachable("here", "no process listens", "start it")
ABSENT = ConnectAttemptFailed(REASON, absent=True)
BUSY = ConnectAttemptFailed(REASON, busy=True)


class RetryBudgetTests(SynchronousTestCase):
    def test_share(self) -> None:
        """It allows the reserve, and then one retry for each five calls."""
        budget = RetryBudget(share=0.2, reserve=2.0)
        self.assertEqual([budget.withdraw() for _ in range(3)], [True, True, False])
        for _ in range(4):
            budget.deposit()
        self.assertFalse(budget.withdraw())
        budget.deposit()
        self.assertEqual([budget.withdraw() for _ in range(2)], [True, False])

    def test_limit(self) -> None:
        """Successful calls do not raise it above the reserve."""
        budget = RetryBudget(share=0.3, reserve=2.0)
        budget.withdraw()
        for _ in range(1000):
            budget.deposit()
        self.assertEqual([budget.withdraw() for _ in range(3)], [True, True, False])

    def test_default(self) -> None:
        """The default allows to retry all pending calls of one lost connection."""
        budget = RetryBudget()
        self.assertTrue(all(budget.withdraw() for _ in range(64)))


class RetryTestCase(SynchronousTestCase):
    """Has a policy with a clock that a test advances, and without randomness."""

    def setUp(self) -> None:
        """Make the policy."""
        self.now = 10.0
        self.policy = RetryPolicy(lambda: self.now, lambda: 1.0)
        self.policy.budget = RetryBudget(share=0.0, reserve=2.0)
        self.policy.breaker = CircuitBreaker(threshold=1)

    def start(self, call: Call = GET, timeout: float = 30.0) -> RetryState:
        """Start a call."""
        return self.policy.start(call, timeout)

    def pause_after(self, state: RetryState, problem: AttemptFailed) -> float:
        """The pause after a failed attempt, in seconds."""
        return state.failed(problem).seconds

    def assertFinal(self, state: RetryState, problem: AttemptFailed, *, final: bool = False) -> ServiceError:
        """There is no further attempt; the error for the caller."""
        with self.assertRaises(ServiceError) as caught:
            state.failed(problem, final=final)
        error: ServiceError = caught.exception
        return error

    def is_open(self) -> bool:
        """True if the circuit breaker is open."""
        return self.policy.breaker.is_open(self.now)


class RetryStateTests(RetryTestCase):
    def test_time_left(self) -> None:
        """It tells the time that is left; after the deadline, an error that names the timeout."""
        state = self.start(timeout=2.5)
        self.now += 1.0
        self.assertEqual(state.time_left(), 1.5)
        self.now += 1.5
        with self.assertRaises(DeadlineExceeded) as caught:
            state.time_left()
        self.assertEqual(caught.exception.detail, "no answer within 2.5 s")

    def test_pauses(self) -> None:
        """Pauses double up to half a second; randomness shortens each by up to a half."""
        state = self.start()
        pauses = [self.pause_after(state, ConnectAttemptFailed(REASON)) for _ in range(9)]
        self.assertEqual(pauses, [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5])
        self.policy.random = lambda: 0.0
        self.assertEqual(self.pause_after(self.start(), ConnectAttemptFailed(REASON)), 0.0025)

    def test_not_sent(self) -> None:
        """A call that the service has not seen is retried until its deadline, whatever its method."""
        state = self.start(POST, timeout=1.0)
        for _ in range(5):
            self.pause_after(state, ConnectAttemptFailed(REASON))
        self.now += 0.999
        self.assertIs(self.assertFinal(state, ConnectAttemptFailed(REASON)), REASON)

    def test_absent(self) -> None:
        """A service that never had a socket is waited for as long as most restarts take."""
        state = self.start()
        self.now += 1.9
        self.assertEqual(state.failed(ABSENT), Pause(0.005, absent=True))
        self.now += 0.2
        self.assertIs(self.assertFinal(state, ABSENT), REASON)

    def test_absent_again(self) -> None:
        """A service that had a socket before is waited for longer: a restart may take long."""
        absent = ConnectAttemptFailed(REASON, absent=True)
        absent.known = True
        state = self.start(timeout=20.0)
        self.now += 7.9
        self.assertEqual(state.failed(absent), Pause(0.005, absent=True))
        self.now += 0.2
        self.assertIs(self.assertFinal(state, absent), REASON)

    def test_counted(self) -> None:
        """Calls, retries and failures are counted; an error that is the caller's own fault is no failure."""
        for error in (Unavailable(), NotFound(), Internal()):
            state = self.start(POST)
            if isinstance(error, Unavailable):
                self.pause_after(state, ConnectAttemptFailed(REASON))
            self.assertFinal(state, error)
        self.assertEqual((self.policy.budget.calls, self.policy.retries, self.policy.failures), (3, 1, 2))
        self.assertEqual(self.policy.budget.share_left, 1.0)
        self.pause_after(self.start(), ConnectionLost())
        self.assertLess(self.policy.budget.share_left, 1.0)

    def test_lost(self) -> None:
        """A call whose reply was lost is retried if it is idempotent; else the error says so."""
        for call in (GET, WITH_KEY):
            self.pause_after(self.start(call), ConnectionLost())
        error = self.assertFinal(self.start(POST), ConnectionLost())
        self.assertIsInstance(error, Unavailable)
        self.assertIn("the action may have run", str(error))

    def test_unavailable(self) -> None:
        """The same holds for a 503; the caller gets the error of the service."""
        error = Unavailable(3.0)
        self.pause_after(self.start(GET), error)
        self.assertIs(self.assertFinal(self.start(POST), error), error)

    def test_stays_unavailable(self) -> None:
        """A 503 is retried for two seconds, or until the deadline; then the caller gets the last one."""
        self.policy.budget = RetryBudget()
        for timeout, last in ((30.0, 2.1), (1.0, 0.999)):
            state = self.start(GET, timeout=timeout)
            self.now += last - 0.2
            self.pause_after(state, Unavailable(3.0))
            self.now += 0.2
            error = Unavailable(3.0)
            self.assertIs(self.assertFinal(state, error), error)

    def test_budget(self) -> None:
        """Retries of all calls use one budget."""
        for _ in range(2):
            self.pause_after(self.start(), ConnectionLost())
        self.assertFinal(self.start(), ConnectionLost())

    def test_deposit(self) -> None:
        """Each started call adds its share to the budget."""
        self.policy.budget = RetryBudget(share=1.0, reserve=1.0)
        self.assertTrue(self.policy.budget.withdraw())
        self.start()
        self.assertTrue(self.policy.budget.withdraw())

    def test_pause_exceeds_deadline(self) -> None:
        """If the pause would end after the deadline, the call ends now."""
        error = self.assertFinal(self.start(timeout=0.004), ConnectionLost())
        self.assertIsInstance(error, DeadlineExceeded)

    def test_disabled(self) -> None:
        """With retries disabled, only a full backlog is waited for."""
        self.policy.enabled = False
        state = self.start()
        self.pause_after(state, BUSY)
        for problem in (ConnectAttemptFailed(REASON), ABSENT, ConnectionLost(), Unavailable()):
            self.assertFinal(state, problem)

    def test_closed(self) -> None:
        """After the client was closed, no call is started, retried, or continued."""
        state = self.start()
        self.policy.closed = True
        self.assertIn("may have run", str(self.assertFinal(state, ConnectionLost())))
        for function in (self.start, state.time_left):
            self.assertIn("the client is closed", str(self.assertRaises(Unavailable, function)))


class BreakerTests(RetryTestCase):
    """What the circuit breaker learns from the end of an attempt."""

    def test_retried(self) -> None:
        """It learns nothing from an attempt that is followed by another one."""
        self.assertEqual(self.pause_after(self.start(), ConnectionLost()), 0.005)
        self.assertFalse(self.is_open())

    def test_final(self) -> None:
        """A failed connect counts if there must be no further attempt."""
        state = self.start(POST)
        self.assertIs(self.assertFinal(state, ConnectAttemptFailed(REASON), final=True), REASON)
        self.assertTrue(self.is_open())

    def test_error(self) -> None:
        """An error that the service replies is passed on, and closes the breaker."""
        state = self.start(POST)
        self.policy.breaker.failed(self.now)
        error = NotFound("no")
        self.assertIs(self.assertFinal(state, error), error)
        self.assertFalse(self.is_open())

    def test_overload(self) -> None:
        """A 503 of the service leaves it as it is."""
        self.assertFinal(self.start(POST), Unavailable())
        self.assertFalse(self.is_open())

    def test_unreachable(self) -> None:
        """A service that cannot be reached opens it; one that loses a call was reached."""
        problem: AttemptFailed
        for problem in (ConnectAttemptFailed(REASON), REASON):
            self.policy.breaker.succeeded()
            self.assertFinal(self.start(POST), problem, final=True)
            self.assertTrue(self.is_open(), problem)
        self.policy.breaker.succeeded()
        self.assertFinal(self.start(POST), ConnectionLost())
        self.assertFalse(self.is_open())

    def test_deadline(self) -> None:
        """The error of our own deadline names the timeout; that of the service is passed on."""
        self.assertEqual(self.assertFinal(self.start(), DeadlineExceeded()).detail, "no answer within 30 s")
        self.assertEqual(self.assertFinal(self.start(), DeadlineExceeded("theirs")).detail, "theirs")


class LoopTests(RetryTestCase):
    """The loop of the asynchronous clients."""

    def setUp(self) -> None:
        """Record pauses and the time given to each attempt."""
        super().setUp()
        self.results: list[AttemptFailed | int] = []
        self.pauses: list[Pause] = []
        self.left: list[float] = []

    def run_retry(self, state: RetryState, **options: object) -> Deferred[int]:
        """Run it; attempts end with :attr:`results`."""

        def attempt(left: float) -> Deferred[int]:
            self.left.append(left)
            result = self.results.pop(0)
            return succeed(result) if isinstance(result, int) else fail(result)

        def sleep(pause: Pause) -> Deferred[None]:
            self.pauses.append(pause)
            self.now += pause.seconds
            return succeed(None)

        return Deferred.fromCoroutine(retry(state, attempt, sleep, **options))  # type: ignore[arg-type]

    def test_until_success(self) -> None:
        """Attempts follow each other until one succeeds, each with the time that is left."""
        self.results = [ABSENT, ConnectionLost(), 7]
        self.assertEqual(self.successResultOf(self.run_retry(self.start(timeout=1.0))), 7)
        self.assertEqual(self.pauses, [Pause(0.005, absent=True), Pause(0.01, absent=False)])
        self.assertEqual([round(left, 3) for left in self.left], [1.0, 0.995, 0.985])

    def test_resumed(self) -> None:
        """It begins with a pause if the first attempt was made already."""
        self.results = [7]
        self.successResultOf(self.run_retry(self.start(), problem=ConnectionLost()))
        self.assertEqual((len(self.pauses), round(self.left[0], 3)), (1, 29.995))

    def test_stream(self) -> None:
        """A stream is not requested again after its first item."""
        buffer = StreamBuffer()
        self.results = [ConnectionLost(), ConnectionLost()]
        buffer.seen = True
        self.failureResultOf(self.run_retry(self.start(), buffer=buffer), Unavailable)
        self.assertEqual(len(self.results), 1)
