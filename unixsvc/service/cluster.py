"""The part of one service in the cluster of hosts: calls to other hosts, and calls from them."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as WaitedTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from unixsvc.bus.clock import LinkClock
from unixsvc.bus.export import accept_circuit
from unixsvc.bus.micro import MicroInfo, MicroService
from unixsvc.bus.node import Node
from unixsvc.bus.remote import RemoteServices
from unixsvc.bus.subjects import Subjects
from unixsvc.bus.transport import CircuitTransport
from unixsvc.config.nats import Nats, NatsAccess
from unixsvc.domain.providers import as_provider
from unixsvc.errors import ConfigError
from unixsvc.server.interfaces import IRequestHandler, IServesCircuits
from unixsvc.service.spec import WorkerConfig
from unixsvc.transport.private_apis import asyncio_loop_of

__all__ = ["ServiceCluster", "make_cluster"]

# How long a worker waits for its first connection before it goes on without, in seconds.
_FIRST_CONNECTION: Final = 2.0

_log = Logger(namespace="nats")


class ServiceCluster:
    """Joins a service to the cluster.

    :param info: what the service says about itself.
    :param node: this process in the cluster.
    :param other_hosts: makes connections to services of other hosts.
    :param settings: the table ``[nats]``.
    :ivar socket_dir: the directory of the sockets of this host.
    """

    def __init__(
        self,
        info: MicroInfo,
        node: Node,
        other_hosts: RemoteServices,
        settings: Nats,
        socket_dir: str,
        clock: LinkClock,
        reactor: IReactorTime,
    ) -> None:
        self.other_hosts = other_hosts
        self.node = node
        self.socket_dir = socket_dir
        self._clock = clock
        self._info = info
        self._service = info.name
        self._settings = settings
        self._reactor = reactor
        self._serves = False

    async def serve(self, handler: IRequestHandler) -> None:
        """Connect, and let other hosts call the service, if the table exports it.

        :raises ConfigError: without a connection, if the table requires one.
        """
        circuits = as_provider(IServesCircuits, handler)
        if circuits is not None and self._settings.exports(self._service):
            self._serves = True
            micro = MicroService(self._info, self.node.subjects, circuits, self._clock)
            accept = partial(accept_circuit, self.node, circuits)
            await self.node.serve(self._service, accept, micro.subscriptions)
        self.node.start()
        with suppress(WaitedTooLong):
            await self.node.when_tried().addTimeout(_FIRST_CONNECTION, self._reactor)
        if self.node.connected:
            return
        if self._settings.required:
            raise ConfigError("nats.servers", self.node.problem, "start one, or remove nats.required")
        _log.error(
            "{problem}; services of other hosts cannot be called until one can", problem=self.node.problem
        )

    async def withdraw(self) -> None:
        """Let no other host open a connection any more; done when none will come."""
        if self._serves:
            await self.node.withdraw(self._service)

    def open(self, service: str, host: str = "") -> Deferred[CircuitTransport]:
        """Open a circuit, see :meth:`~unixsvc.bus.node.Node.open`."""
        return self.node.open(service, host)

    def stop(self) -> None:
        """Leave the cluster."""
        self.node.stop()


def make_cluster(config: WorkerConfig, access: NatsAccess, reactor: IReactorTime) -> ServiceCluster:
    """Make the part of a service in the cluster.

    :raises ConfigError: if the extra ``nats`` is not installed.
    """
    try:
        from unixsvc.bus.login import connector
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("nats"):
            raise
        where, problem = "nats", f"needs a package that is not installed: {error.name}"
        raise ConfigError(where, problem, "install it: pip install 'unixsvc[nats]'") from None
    settings = access.settings
    loop: Any = asyncio_loop_of(reactor)
    clock = LinkClock(time.monotonic, reactor.callLater, loop.call_soon)
    process = f"{os.getpid()}-{secrets.token_hex(4)}"
    subjects = Subjects(settings.prefix, settings.host)
    node = Node(
        connector(access, loop),
        subjects,
        process,
        clock,
        settings.ping_interval,
    )
    other_hosts = RemoteServices(node, clock, settings.prefer)
    metadata = {"host": settings.host, "slot": str(config.slot), "pid": str(os.getpid())}
    info = MicroInfo(config.service, f"{settings.host}-{process}", _version(), metadata)
    return ServiceCluster(info, node, other_hosts, settings, config.socket_dir, clock, reactor)


def _version() -> str:
    """The version of unixsvc: an application has none of its own."""
    from importlib.metadata import PackageNotFoundError, version  # late: it takes longer than the rest

    try:
        return version("unixsvc")
    except PackageNotFoundError:  # it runs from its source
        return "0.0.0"
