"""Tests of services in the orchestrator's own process."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.orchestrator.pool.fake_processes import Processes, config_for
from tests.unit.orchestrator.pool.pool_harness import spec_for
from unixsvc import GET, App, Unavailable, every
from unixsvc.config.settings import ServiceSettings
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.inline import InlinePool
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.sockets.binding import is_served
from unixsvc.orchestrator.sockets.unix_listener import UnixListener
from unixsvc.orchestrator.status import PoolSnapshot
from unixsvc.orchestrator.worker.messages import SetLogLevel, SetTokens
from unixsvc.schedules.moment import Moment
from unixsvc.service.factory import make_service_host
from unixsvc.service.host import ServiceHost
from unixsvc.testing import ImmediateRunner


def hello() -> str:
    """An action."""
    return "hello"


def broken(endpoint: Any) -> Deferred[ServiceHost]:
    """An application that raises an unexpected error."""
    raise RuntimeError("no disk")


def wrong(endpoint: Any) -> Deferred[ServiceHost]:
    """An application that is configured wrongly."""
    raise ConfigError("home:app", "is no App")


class InlineTestCase(SynchronousTestCase):
    """A test with an inline pool that is not started."""

    def setUp(self) -> None:
        """Make the pool."""
        self.reactor = Processes()
        self.service_host: list[ServiceHost] = []
        folder = tempfile.mkdtemp()  # trial's own have paths too long for a socket
        self.addCleanup(shutil.rmtree, folder)
        self.path = os.path.join(folder, "service_home.sock")
        self.inline = self.pool(self.spec())

    def pool(self, spec: WorkerSpec) -> InlinePool:
        """Make a pool."""
        listener = UnixListener(self.path, 0o660, 10)
        self.addCleanup(listener.close)
        return InlinePool("home", self.reactor, spec, listener)

    def spec(self, host: Callable[[Any], Deferred[ServiceHost]] | None = None, **settings: Any) -> WorkerSpec:
        """Its spec."""
        spec = spec_for(self.reactor)
        policy = replace(spec.policy, drain_timeout=5)
        changed = ServiceSettings(**{"app": "home:app", **settings})
        return replace(spec, host=host or self.make, policy=policy, settings=changed)

    def make(self, endpoint: Any) -> Deferred[ServiceHost]:
        """Make the service."""
        app = App([GET("/", hello)])
        making = make_service_host(config_for(), app, endpoint, self.reactor, blocking=ImmediateRunner())
        self.service_host.append(run_without_waiting(making))
        return succeed(self.service_host[-1])

    def start(self) -> None:
        """Start it."""
        self.inline.startService()
        self.successResultOf(self.inline.when_ready())
        self.reactor.advance(0)

    def stop(self) -> None:
        """Stop it while no client is connected."""
        stopped = self.inline.stopService()
        self.reactor.pump([0.1] * 3)
        self.successResultOf(stopped)

    def ask(self) -> tuple[Any, Any]:
        """Connect and send a request; the connection and its transport."""
        connection, transport = self.reactor.ports[self.path].connect()
        token = config_for().token
        connection.dataReceived(json.dumps({"id": 1, "auth_token": token}).encode() + b"\n")
        self.assertEqual(transport.lines()[0]["data"], "hello")
        return connection, transport


class ScheduleTests(InlineTestCase):
    """Schedules of an inline service."""

    def setUp(self) -> None:
        """Make a pool with a job that waits."""
        super().setUp()
        self.waiting: list[Deferred[None]] = []

    def pool(self, spec: WorkerSpec) -> InlinePool:
        """Make a pool on the clock of the reactor."""
        listener = UnixListener(self.path, 0o660, 10)
        self.addCleanup(listener.close)
        now = self.reactor.seconds
        return InlinePool("home", self.reactor, spec, listener, lambda: Moment(now(), now()))

    def make(self, endpoint: Any) -> Deferred[ServiceHost]:
        """Make the service."""
        app = App([], schedules=[every(5, self.job, name="job")])
        making = make_service_host(config_for(), app, endpoint, self.reactor, blocking=ImmediateRunner())
        return succeed(run_without_waiting(making))

    async def job(self) -> None:
        """Wait."""
        self.waiting.append(Deferred())
        await self.waiting[-1]

    def status(self) -> Any:
        """The status of the schedule."""
        return self.inline.stats().schedules[0]

    def test_runs(self) -> None:
        """The jobs run in this process."""
        self.start()
        self.reactor.pump([5, 5])
        self.assertEqual((len(self.waiting), self.status().missed), (1, 1))
        self.waiting[0].callback(None)
        self.reactor.advance(5)
        self.assertEqual((len(self.waiting), self.status().runs), (2, 2))

    def test_stop(self) -> None:
        """A stop waits for the run; a stopped service runs nothing, and its counters stay."""
        self.start()
        self.reactor.advance(5)
        stopped = self.inline.stopService()
        self.reactor.pump([0.1] * 3)
        self.assertNoResult(stopped)
        self.waiting[0].callback(None)
        self.reactor.pump([0.1] * 3)
        self.successResultOf(stopped)
        self.reactor.advance(20)
        self.assertEqual(
            (self.status().runs, self.status().next, self.status().last.outcome), (1, None, "ok")
        )

    def test_drain_timeout(self) -> None:
        """A run that takes longer than the drain is cancelled, and counts as interrupted."""
        self.start()
        self.reactor.advance(5)
        stopped = self.inline.stopService()
        self.reactor.pump([5, 0.1, 0.1])
        self.successResultOf(stopped)
        self.assertEqual((self.status().interrupted, self.status().last.outcome), (1, "interrupted"))
        self.assertTrue(self.waiting[0].called)

    def test_restart(self) -> None:
        """A restarted service goes on with the schedules."""
        self.start()
        self.reactor.advance(5)
        self.waiting[0].callback(None)
        self.stop()
        self.start()
        self.reactor.advance(5)
        self.assertEqual((len(self.waiting), self.status().runs), (2, 2))


class InlineTests(InlineTestCase):
    """An inline pool behaves as a pool."""

    def test_interface(self) -> None:
        """It provides the interface of pools."""
        verifyObject(IServicePool, self.inline)

    def test_waits(self) -> None:
        """Before its start it has the state "waiting"; when it is bound, clients wait in the backlog."""
        self.inline.bind()
        self.assertTrue(is_served(self.path))
        self.assertEqual(self.inline.stats(), PoolSnapshot([], state="waiting"))
        self.assertEqual(self.reactor.ports, {})

    def test_serves(self) -> None:
        """After its start it serves and has statistics; its own health check does not count."""
        self.start()
        self.ask()
        self.reactor.advance(3)
        self.successResultOf(self.inline.refresh())
        stats = self.inline.stats()
        [worker] = stats.workers
        self.assertEqual((worker.pid, worker.phase, worker.uptime), (os.getpid(), "ready", 3))
        self.assertEqual((worker.metrics.all.requests, worker.status.connections), (1, 1))
        self.assertEqual((stats.state, stats.problem), ("", ""))

    def test_drains(self) -> None:
        """While it drains, clients are asked to disconnect; it has stopped when the last one has."""
        self.start()
        connection, transport = self.ask()
        stopped = self.inline.stopService()
        self.reactor.pump([0.1] * 3)
        self.assertFalse(self.reactor.ports[self.path].open)
        self.assertEqual(transport.lines(), [{"goaway": True}])
        self.assertEqual(self.inline.stats().workers[0].phase, "draining")
        self.assertNoResult(stopped)
        connection.connectionLost()
        self.successResultOf(stopped)
        self.assertEqual(self.inline.stats().state, "stopped")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_drain_timeout(self) -> None:
        """A client that does not disconnect is disconnected after the drain timeout."""
        self.start()
        connection, transport = self.ask()
        connection.pauseProducing()  # it does not take what is sent
        self.inline.stopService()
        self.reactor.pump([0.25] * 20)
        self.assertEqual(transport.closed, "abort")

    def test_drain_delay(self) -> None:
        """With a delay it accepts connections until that is over, and then drains."""
        spec = self.spec()
        self.inline = self.pool(replace(spec, policy=replace(spec.policy, drain_delay=3)))
        self.start()
        stopped = self.inline.stopService()
        self.reactor.advance(2)
        connection, _ = self.ask()
        self.assertTrue(is_served(self.path))
        self.reactor.advance(1)
        self.assertFalse(os.path.exists(self.path))
        connection.connectionLost()
        self.reactor.pump([0.1] * 3)
        self.successResultOf(stopped)

    def test_twice(self) -> None:
        """Stopping twice is stopping once, and both callers wait for it."""
        self.start()
        both = [self.inline.stopService(), self.inline.stopService()]
        self.reactor.pump([0.1] * 3)
        for each in both:
            self.successResultOf(each)

    def test_start_again(self) -> None:
        """After it has stopped it can be started."""
        self.start()
        self.stop()
        self.start()
        self.ask()
        self.assertEqual(len(self.service_host), 2)

    def test_restart(self) -> None:
        """A restart stops it and starts a new service."""
        self.start()
        restarted = Deferred.fromCoroutine(self.inline.restart())
        self.reactor.pump([0.1] * 3)
        self.successResultOf(restarted)
        self.ask()
        self.assertEqual(len(self.service_host), 2)

    def test_waits_during_restart(self) -> None:
        """During a restart clients wait in the backlog."""
        self.start()
        connection, _ = self.ask()
        restarted = Deferred.fromCoroutine(self.inline.restart())
        self.reactor.pump([0.1] * 3)
        self.assertNoResult(restarted)
        self.assertTrue(is_served(self.path))
        connection.connectionLost()
        self.successResultOf(restarted)

    def test_path_removed(self) -> None:
        """A removed path is bound again; connected clients stay, and waiting ones are accepted."""
        self.start()
        connection, transport = self.ask()
        port = self.reactor.ports[self.path]
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(self.path)
            os.unlink(self.path)
            self.inline.check_paths()
            self.assertEqual(self.inline.stats().workers[0].status.connections, 2)
        self.assertTrue(is_served(self.path))
        self.assertEqual((port.open, transport.closed), (False, ""))
        again, _ = self.ask()
        self.inline.check_paths()
        self.reactor.advance(0)
        for each in connection, again:
            each.connectionLost()

    def test_path_removed_without_descriptors(self) -> None:
        """If there is no file descriptor for a path that is bound again, the next check tries it again."""

        def refuse(descriptor: int) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

        self.start()
        old, dup = self.reactor.ports[self.path], os.dup
        os.unlink(self.path)
        self.patch(os, "dup", refuse)
        error = self.assertRaises(ConfigError, self.inline.check_paths)
        self.assertIn("Too many open files", str(error))
        self.assertTrue(old.open)
        self.patch(os, "dup", dup)
        self.inline.check_paths()
        self.assertFalse(old.open)
        connection, _ = self.ask()
        self.inline.check_paths()
        self.assertTrue(self.reactor.ports[self.path].open)
        connection.connectionLost()

    def test_stopped_without_path(self) -> None:
        """It can be stopped without its path; what is there instead is not removed."""
        self.start()
        os.unlink(self.path)
        Path(self.path).write_text("mine")
        self.stop()
        self.assertEqual(Path(self.path).read_text(), "mine")

    def test_abort(self) -> None:
        """Aborting closes every connection; before the start there is none."""
        self.inline.abort()
        self.start()
        _, transport = self.ask()
        self.inline.abort()
        self.reactor.pump([0.1] * 10)
        self.assertNotEqual(transport.closed, "")

    def test_scale(self) -> None:
        """The only possible number of workers is one."""
        self.start()
        self.successResultOf(Deferred.fromCoroutine(self.inline.scale(1)))
        refused = Deferred.fromCoroutine(self.inline.scale(2))
        self.assertIn("services.home", str(self.failureResultOf(refused, ConfigError).value))

    def test_send(self) -> None:
        """Commands to workers change nothing: the orchestrator applies them to its process itself."""
        self.inline.send(SetLogLevel("debug"))

    def test_set_tokens(self) -> None:
        """But the valid tokens of its service are set; before the start there is no service."""
        self.inline.send(SetTokens("cd" * 32, ()))
        self.start()
        _, transport = self.ask()
        self.inline.send(SetTokens("cd" * 32, ()))
        self.assertEqual(transport.lines(), [{"goaway": True}])


class CannotStartTests(InlineTestCase):
    """The service cannot start."""

    def test_says_why(self) -> None:
        """The error names the service and the cause; an unexpected error is logged with its traceback."""
        for host, words, logged in ((broken, "RuntimeError: no disk", 1), (wrong, "is no App", 0)):
            inline = self.pool(self.spec(host))
            inline.startService()
            error = self.failureResultOf(inline.when_ready(), ConfigError).value
            self.assertIn("services.home", str(error))
            self.assertIn(words, str(error))
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), logged)
            self.assertEqual(inline.stats().state, "failed")
            self.assertIn(words, inline.stats().problem)
            self.successResultOf(inline.stopService())

    def unwell(self, endpoint: Any) -> Deferred[ServiceHost]:
        """A service whose health check fails."""
        service_host = self.successResultOf(self.make(endpoint))

        async def probe() -> None:
            raise Unavailable()

        self.patch(service_host._handler, "probe", probe)
        return succeed(service_host)

    def test_not_well(self) -> None:
        """A service whose health check fails does not listen, and is stopped."""
        self.inline.set_spec(self.spec(self.unwell))
        self.inline.startService()
        self.failureResultOf(self.inline.when_ready(), ConfigError)
        self.assertEqual(self.reactor.ports, {})
        self.reactor.pump([0.1] * 3)
        self.assertFalse(self.service_host[0].running)

    def test_started_again(self) -> None:
        """It can be started again, with success."""
        self.inline.set_spec(self.spec(wrong))
        self.inline.startService()
        self.failureResultOf(self.inline.when_ready(), ConfigError)
        self.inline.set_spec(self.spec())
        restarted = Deferred.fromCoroutine(self.inline.restart())
        self.successResultOf(restarted)
        self.assertEqual((self.inline.stats().state, self.inline.stats().problem), ("", ""))
        self.stop()
        self.assertEqual(self.inline.stats().problem, "")

    def test_stopped(self) -> None:
        """If it is stopped after it has failed, its state is "stopped"."""
        self.inline.set_spec(self.spec(wrong))
        self.inline.startService()
        self.failureResultOf(self.inline.when_ready(), ConfigError)
        self.successResultOf(self.inline.stopService())
        self.assertEqual(self.inline.stats().state, "stopped")


class ReloadTests(InlineTestCase):
    """Reloads."""

    def setUp(self) -> None:
        """Start the pool."""
        super().setUp()
        self.start()

    def reload(self, spec: WorkerSpec) -> Deferred[None]:
        """Reload, as far as no client has to be waited for."""
        reloaded = Deferred.fromCoroutine(self.inline.reload(spec))
        self.reactor.pump([0.1] * 3)
        return reloaded

    def test_changed(self) -> None:
        """With other settings it is restarted."""
        self.successResultOf(self.reload(self.spec(threads=3)))
        self.ask()
        self.assertEqual(len(self.service_host), 2)

    def test_unchanged(self) -> None:
        """With the same settings it is not restarted: the code stays as this process has imported it."""
        _, transport = self.ask()
        self.successResultOf(self.reload(self.spec()))
        self.assertEqual((len(self.service_host), transport.closed), (1, ""))

    def test_fails(self) -> None:
        """If it cannot start with new settings, the error says why, and it serves with the old ones."""
        reloaded = self.reload(self.spec(wrong, threads=3))
        self.assertIn("is no App", str(self.failureResultOf(reloaded, ConfigError).value))
        self.ask()
        self.assertEqual(self.inline.stats().state, "")

    def test_set(self) -> None:
        """A spec that is only set is used at the next start."""
        self.inline.set_spec(self.spec(wrong))
        connection, _ = self.ask()
        connection.connectionLost()
        restarted = Deferred.fromCoroutine(self.inline.restart())
        self.reactor.pump([0.1] * 3)
        self.failureResultOf(restarted, ConfigError)
