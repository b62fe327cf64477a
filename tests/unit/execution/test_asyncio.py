"""Actions that await asyncio objects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.execution.suspended import Action, Service
from unixsvc.domain.message import Reply
from unixsvc.errors import Cancelled, NotFound
from unixsvc.execution.action_driver import RunningAction, from_asyncio


class ForeignTests(SynchronousTestCase):
    """Actions that await other objects than Deferreds."""

    def test_asyncio_future(self) -> None:
        """Without an event loop, awaiting an asyncio future raises a TypeError with the remedy: a 500."""
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)

        async def action() -> None:
            await loop.create_future()

        service = Service(action)
        service.start()
        self.assertEqual(service.reply_codes, [500])
        [error] = service.failures
        self.assertIsInstance(error, TypeError)
        self.assertIn("--reactor=asyncio", str(error))
        self.assertEqual(service.clock.getDelayedCalls(), [])

    def test_base_exceptions(self) -> None:
        """Exceptions that are not derived from Exception get a reply."""
        deferred: Deferred[None] = Deferred()

        async def action() -> None:
            await deferred

        service = Service(action)
        service.start()
        deferred.errback(Failure(asyncio.CancelledError()))
        self.assertEqual(service.reply_codes, [500])


class FromAsyncioTests(SynchronousTestCase):
    """``from_asyncio``."""

    def run_in_loop(
        self, inner: Action, then: Callable[[RunningAction], None]
    ) -> tuple[Service, list[type[BaseException]]]:
        """Run an action that awaits an asyncio coroutine on an event loop."""
        seen: list[type[BaseException]] = []

        async def action() -> object:
            try:
                return await from_asyncio(inner())
            except Exception as error:
                seen.append(type(error))
                raise

        async def main() -> Service:
            service = Service(action)
            running = service.start()
            await asyncio.sleep(0)
            then(running)
            for _ in range(5):
                await asyncio.sleep(0)
            return service

        return asyncio.run(main()), seen

    def test_result(self) -> None:
        """The result or the exception of the coroutine is returned."""

        async def good() -> int:
            await asyncio.sleep(0)
            return 7

        async def bad() -> int:
            await asyncio.sleep(0)
            raise NotFound

        self.assertEqual(self.run_in_loop(good, lambda _: None)[0].replies, [Reply(200, b"7")])
        self.assertEqual(self.run_in_loop(bad, lambda _: None)[0].reply_codes, [404])

    def test_cancelled_from_outside(self) -> None:
        """Cancelling the request cancels the coroutine; the action gets the reason."""
        ends: list[type] = []

        async def endless() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError as error:
                ends.append(type(error))
                raise

        service, seen = self.run_in_loop(endless, lambda running: running.cancel(Cancelled()))
        self.assertEqual(service.reply_codes, [499])
        self.assertEqual(ends, [asyncio.CancelledError])
        self.assertTrue(issubclass(seen[0], Cancelled))
        self.assertEqual((service.codes, service.failures), ([499], []))

    def test_cancelled_from_inside(self) -> None:
        """If the coroutine is cancelled by other code, the action gets an exception that it can catch."""

        async def cancelled() -> None:
            raise asyncio.CancelledError

        service, seen = self.run_in_loop(cancelled, lambda _: None)
        self.assertEqual(seen, [CancelledError])
        self.assertEqual(service.reply_codes, [500])

    def test_no_loop(self) -> None:
        """Without an asyncio event loop, a RuntimeError is raised."""

        async def nothing() -> None:
            pass

        coroutine = nothing()
        self.addCleanup(coroutine.close)
        self.assertRaises(RuntimeError, from_asyncio, coroutine)
