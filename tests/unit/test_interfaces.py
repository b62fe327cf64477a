"""Providers have the methods of their interfaces."""

from __future__ import annotations

import socket
from typing import Any

from twisted.application.service import IService
from twisted.internet.interfaces import IReactorFromThreads, IStreamServerEndpoint
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface, implementedBy
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyClass, verifyObject

from tests.unit.domain.test_handle_message import FakeDependencies
from tests.unit.execution.test_threads import Turns
from tests.unit.orchestrator.fake_pools import Watcher
from tests.unit.orchestrator.pool.fake_processes import Processes
from tests.unit.orchestrator.pool.pool_harness import spec_for
from tests.unit.orchestrator.test_control import FakeOrchestrator
from tests.unit.routing.serving import Runner, Serving
from tests.unit.support.memory_connection import Actions
from unixsvc.config.settings import Limits, Log, Security, Settings
from unixsvc.datasource.library import LibraryDatasource
from unixsvc.datasource.repository import RouterRepository
from unixsvc.domain import interfaces as domain
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import (
    IBlockingRunner,
    IFailureLog,
    IGuard,
    IHandleMessage,
    IMetrics,
    IRouterDatasource,
    IRouterRepository,
)
from unixsvc.execution.threads import ThreadRunner
from unixsvc.listen import interfaces as listen
from unixsvc.listen.adopted import AdoptedServerEndpoint
from unixsvc.listen.balance.connection_counts import WorkerSlot
from unixsvc.listen.endpoint import BoundUNIXServerEndpoint
from unixsvc.listen.interfaces import IAdoptingEndpoint
from unixsvc.orchestrator import interfaces as orchestrator
from unixsvc.orchestrator.interfaces import IOrchestrator, IOrchestratorWatcher
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.pool.inline import InlinePool
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.pool.pool import Pool
from unixsvc.orchestrator.sockets.unix_listener import UnixListener
from unixsvc.security.tokens import TokenGuard
from unixsvc.server import interfaces as server
from unixsvc.server.context import HandlerContext
from unixsvc.server.handler import SocketRequestHandler
from unixsvc.server.interfaces import IListsCalls, IRequestHandler, IReviewsCallers
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics


class ProviderTests(SynchronousTestCase):
    """Declared interfaces are implemented."""

    def assert_provides(self, provider: object, *promised: type[Interface]) -> None:
        """The class and its instance have all methods with the declared parameters."""
        for interface in promised:
            self.assertTrue(verifyObject(interface, provider))
            self.assertTrue(verifyClass(interface, type(provider)))
            self.assertIn(interface, implementedBy(type(provider)))

    def test_domain(self) -> None:
        """The use case."""
        around = FakeDependencies()
        handle = HandleMessage(around, around, around, around, max_inflight=1, request_timeout=1.0)
        self.assert_provides(handle, IHandleMessage)

    def test_datasource(self) -> None:
        """The repository and the datasources."""
        library = LibraryDatasource(Serving().router)
        self.assert_provides(library, IRouterDatasource)
        self.assert_provides(RouterRepository(library), IRouterRepository)

    def test_running(self) -> None:
        """The thread pool, which is also an IService."""
        self.assert_provides(ThreadRunner(Turns()), IBlockingRunner, IService)

    def test_socket(self) -> None:
        """The guard, the endpoints and the listeners."""
        self.assert_provides(TokenGuard("required", "shop", "x"), IGuard)
        handle: Any = Actions()
        handler_context: Any = HandlerContext("home", handle, None, Limits(), Security(), Clock())  # type: ignore[arg-type]
        handler = SocketRequestHandler(handler_context)
        self.assert_provides(handler, IRequestHandler, IReviewsCallers, IListsCalls, IService)
        owned = BoundUNIXServerEndpoint(Clock(), lambda: (-1,))
        anything: Any = None
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        adopted = AdoptedServerEndpoint(anything, listening, WorkerSlot())
        for each in owned, adopted:
            self.assert_provides(each, IAdoptingEndpoint, IStreamServerEndpoint)

    def test_orchestrator(self) -> None:
        """The pools and the orchestrator."""
        reactor = Processes()
        spec, listener = spec_for(reactor), UnixListener("/run/x.sock", 0o660, 10)
        self.assert_provides(Pool("home", reactor, spec, listener, print), IServicePool, IService)
        self.assert_provides(InlinePool("home", reactor, spec, listener), IServicePool, IService)
        settings = Settings("x", "/", "/run", 0o660, "/t", Limits(), Security(), {}, Log())
        self.assert_provides(Orchestrator(settings, reactor), IOrchestrator, IService)

    def test_telemetry(self) -> None:
        """Metrics and failure log."""
        self.assert_provides(ServiceMetrics(), IMetrics)
        self.assert_provides(FailureLog("home"), IFailureLog)

    def test_stand_ins(self) -> None:
        """Fakes for tests provide the same interfaces."""
        self.assert_provides(Runner(), IBlockingRunner)
        self.assert_provides(Turns(), IReactorFromThreads)
        self.assert_provides(FakeOrchestrator(), IOrchestrator)
        self.assert_provides(Watcher(), IOrchestratorWatcher)
        self.assert_provides(
            FakeDependencies(), IRouterRepository, IRouterDatasource, IGuard, IMetrics, IFailureLog
        )

    def test_interface_modules(self) -> None:
        """Each interface module exports the interfaces that it defines; each interface is documented."""
        for module in domain, listen, orchestrator, server:
            defined = {
                name
                for name, value in vars(module).items()
                if isinstance(value, InterfaceClass) and value.__module__ == module.__name__
            }
            self.assertEqual(defined, set(module.__all__))
            for name in module.__all__:
                interface = getattr(module, name)
                self.assertTrue(interface.__doc__)
                for method in interface.names():
                    self.assertTrue(interface[method].__doc__, f"{name}.{method}")
