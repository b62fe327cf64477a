"""Schedules of an application in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import svcs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import App, IServices, JobRun, Request, Schedule, ServiceContext, cron, every
from unixsvc.domain.request_context import current_request, set_current_request
from unixsvc.errors import ConfigError
from unixsvc.testing import MemoryService


class Database:
    """A dependency with an end."""

    def __init__(self, log: list[str]) -> None:
        self.log = log


class SchedulesTestCase(SynchronousTestCase):
    """Applications with schedules.

    :ivar log: what the jobs have recorded.
    """

    def setUp(self) -> None:
        """Make the log."""
        self.log: list[Any] = []

    def note(self) -> None:
        """Record a call."""
        self.log.append("called")

    def register(self, registry: svcs.Registry, context: ServiceContext) -> None:
        """Register the dependencies."""

        def database() -> Iterator[Database]:
            self.log.append("opened")
            try:
                yield Database(self.log)
            except Exception as error:
                self.log.append(f"rolled back: {type(error).__name__}")
                raise
            self.log.append("closed")

        registry.register_factory(Database, database)

    def service(self, *schedules: Schedule, **options: Any) -> MemoryService:
        """A service with schedules."""
        return MemoryService(App([], self.register, schedules=schedules), **options)

    def one(self, service: MemoryService) -> Any:
        """The status of the first schedule."""
        return service.schedules()[0]


class RunTests(SchedulesTestCase):
    def test_interval(self) -> None:
        """A job runs when the clock is advanced, the first time after one interval."""
        service = self.service(every("5m", self.note, name="it"))
        service.clock.pump([299, 1, 300, 299])
        self.assertEqual(self.log, ["called"] * 2)
        self.assertEqual((self.one(service).runs, self.one(service).missed), (2, 0))

    def test_cron(self) -> None:
        """The clock starts with 1970."""
        service = self.service(cron("0 3 * * *", self.note, name="it"))
        self.assertEqual(self.one(service).next, datetime(1970, 1, 1, 3, tzinfo=UTC))
        service.clock.pump([3600] * 3)
        self.assertEqual(self.log, ["called"])

    def test_late(self) -> None:
        """After a jump of the clock, one run makes up for all ticks; with catch_up each has its own."""
        service = self.service(
            every(1, self.note, name="it"),
            every(1, lambda: self.log.append("all"), name="all", catch_up=True),
        )
        service.clock.advance(4)
        self.assertEqual(sorted(self.log), ["all"] * 4 + ["called"])
        self.assertEqual(self.one(service).missed, 3)

    def test_close(self) -> None:
        """A closed service runs no more jobs."""
        service = self.service(every(5, self.note, name="it"))
        service.close()
        service.clock.pump([5, 5])
        self.assertEqual(self.log, [])


class ArgumentTests(SchedulesTestCase):
    def test_dependencies(self) -> None:
        """Annotations choose the arguments; each run has a container of its own, which is closed after it."""

        async def job(database: Database, reactor: IReactorTime, container: svcs.Container) -> None:
            self.log += ["run", container.get(Database) is database]
            await deferLater(reactor, 1)
            self.log.append("done")

        service = self.service(every(5, job))
        service.clock.advance(5)
        self.assertEqual(self.log, ["opened", "run", True])
        service.clock.advance(1)
        self.assertEqual(self.log, ["opened", "run", True, "done", "closed"])

    def test_run(self) -> None:
        """A job may ask for its run."""

        def job(run: JobRun, other: int = 3) -> None:
            self.log += [run, other]

        service = self.service(every(5, job, name="it"))
        service.clock.advance(7)
        run = self.log[0]
        self.assertEqual((run.schedule, run.scheduled_at.timestamp(), run.attempt), ("it", 5.0, 1))
        self.assertTrue(run.id)
        self.assertEqual(self.log[1], 3)

    def test_calls(self) -> None:
        """Calls to other services carry the id of the run, and have at most its time."""
        set_current_request(None)  # another test may have left one

        async def job(run: JobRun) -> None:
            current = current_request()
            assert current is not None
            self.log += [current[0].request_id == run.id, current[1]]

        service = self.service(every(5, job, name="a"), every(5, job, name="b", timeout=2))
        service.clock.advance(5)
        self.assertEqual(self.log, [True, float("inf"), True, 7.0])
        self.assertIsNone(current_request())

    def test_blocking(self) -> None:
        """A blocking job gets its arguments as well."""

        def job(database: Database) -> None:
            database.log.append("run")

        service = self.service(every(5, job, blocking=True))
        service.clock.advance(5)
        self.assertEqual(self.log, ["opened", "run", "closed"])


class WrongJobTests(SchedulesTestCase):
    def refused(self, *schedules: Schedule) -> str:
        """The error at the start."""
        return str(self.assertRaises(ConfigError, self.service, *schedules))

    def test_names(self) -> None:
        """Two schedules of a service have two names."""
        refused = self.refused(every(1, self.note, name="it"), every(2, self.note, name="it"))
        self.assertEqual(refused, "schedule 'it': exists twice; give one of them another name=...")

    def test_parameters(self) -> None:
        """Each parameter without a default has an annotation with a registered type."""

        def untyped(database) -> None:  # type: ignore[no-untyped-def]
            """Not called."""

        def unknown(text: str) -> None:
            """Not called."""

        def positional(database: Database, /) -> None:
            """Not called."""

        def fine(services: IServices, *more: int, text: str = "", **others: int) -> None:
            """Not called."""

        remedy = "register its type in the application's container"
        for job, problem in (
            (untyped, "'database' has no annotation"),
            (unknown, f"nothing is registered for 'text'; {remedy}"),
            (positional, "the parameter 'database' cannot be passed by name"),
        ):
            self.assertEqual(self.refused(every(1, job, name="it")), f"schedule 'it': {problem}")
        self.service(every(1, fine))


class FailureTests(SchedulesTestCase):
    def failing(self, job: Callable[..., object], **options: Any) -> tuple[MemoryService, Any]:
        """Run a job that fails once; the service and the exception that it has logged."""
        service = self.service(every(5, job, name="it", **options))
        service.clock.pump([5, 1])
        [failure] = self.flushLoggedErrors()
        return service, failure

    def test_raises(self) -> None:
        """A job that raises is logged at once, with its traceback, and runs again at the next tick."""

        def job() -> None:
            self.log.append("called")
            raise ValueError("broken")

        service, failure = self.failing(job)
        self.assertIn("broken", failure.getTraceback())
        self.assertIn("in job", failure.getTraceback())
        self.assertEqual((self.one(service).failures, self.one(service).last.outcome), (1, "ValueError"))
        service.clock.advance(5)
        self.assertEqual(self.log, ["called"] * 2)
        self.flushLoggedErrors()

    def test_error_hook(self) -> None:
        """The application's hook gets the exception, with the id of the run and without a route."""

        def job(run: JobRun) -> None:
            self.log.append(run.id)
            raise ValueError("broken")

        def hook(error: BaseException, request: Request, route: object) -> None:
            self.log += [str(error), request.method, request.path, request.request_id == self.log[0], route]
            raise KeyError("the hook")

        service = MemoryService(App([], schedules=[every(5, job, name="it")], error_hook=hook))
        service.clock.advance(5)
        self.assertEqual([type(each.value) for each in self.flushLoggedErrors()], [ValueError, KeyError])
        self.assertEqual(self.log[1:], ["broken", "RUN", "it", True, None])
        self.assertEqual(self.one(service).failures, 1)

    def test_rollback(self) -> None:
        """The values of the container get the exception."""

        def job(database: Database) -> None:
            raise ValueError("broken")

        self.failing(job)
        self.assertEqual(self.log, ["opened", "rolled back: ValueError"])

    def test_dependency(self) -> None:
        """A dependency that cannot be made is a failure of the run."""

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            registry.register_factory(Database, lambda: 1 / 0)

        def job(database: Database) -> None:
            """Not called."""

        service = MemoryService(App([], register, schedules=[every(5, job)]))
        service.clock.advance(5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.one(service).failures, 1)

    def test_timeout(self) -> None:
        """A run that exceeds its time limit is cancelled where it waits."""

        async def job() -> None:
            try:
                await Deferred[None]()
            finally:
                self.log.append("cancelled")

        service, failure = self.failing(job, timeout=1)
        self.assertEqual(str(failure.value), "504 Deadline exceeded: the timeout is 1 s")
        self.assertEqual(self.log, ["cancelled"])
        self.assertIn("in job", failure.getTraceback())
        self.assertEqual(self.one(service).last.outcome, "DeadlineExceeded")

    def test_in_time(self) -> None:
        """A run that ends in time leaves no timer behind."""

        async def job(reactor: IReactorTime) -> None:
            await deferLater(reactor, 1)

        service = self.service(every(5, job, timeout=10))
        timers = len(service.clock.getDelayedCalls())
        service.clock.pump([5, 1])
        self.assertEqual(len(service.clock.getDelayedCalls()), timers)

    def test_timeout_is_ignored(self) -> None:
        """A run that ends well although it was cancelled has succeeded."""

        async def job() -> None:
            try:
                await Deferred[None]()
            except BaseException:  # as careless code does
                self.log.append("ignored")

        service = self.service(every(5, job, timeout=1))
        service.clock.pump([5, 1])
        self.assertEqual((self.log, self.one(service).last.outcome), (["ignored"], "ok"))


class OverlapTests(SchedulesTestCase):
    def test_missed(self) -> None:
        """While a run has not ended, no other is started."""
        waiting: list[Deferred[None]] = []

        async def job() -> None:
            waiting.append(Deferred())
            await waiting[-1]

        service = self.service(every(5, job))
        service.clock.pump([5, 5, 5])
        self.assertEqual((len(waiting), self.one(service).missed), (1, 2))
        self.assertEqual(self.one(service).running, 10.0)
        waiting[0].callback(None)
        service.clock.advance(5)
        self.assertEqual(len(waiting), 2)

    def test_drain(self) -> None:
        """A service that drains waits for the runs that have not ended."""
        waiting: Deferred[None] = Deferred()

        async def job() -> None:
            await waiting
            self.log.append("done")

        service = self.service(every(5, job))
        service.clock.advance(5)
        closed = service.close()
        self.assertNoResult(closed)
        waiting.callback(None)
        service.clock.pump([1, 1])
        self.successResultOf(closed)
        self.assertEqual(self.log, ["done"])
