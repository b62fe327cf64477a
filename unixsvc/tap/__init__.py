"""``twistd unixsvc``: its options, and the tree of services."""

from __future__ import annotations

from unixsvc.standard_descriptors import open_standard_descriptors
from unixsvc.tap.interrupts import hide_interrupts

open_standard_descriptors()  # before the other imports, as these open files
hide_interrupts()  # before them, as they take most of the time until the services start

import os
from typing import cast

from twisted.application.service import IService

from unixsvc.errors import ConfigError
from unixsvc.listen.fd_limits import raise_limit
from unixsvc.orchestrator.descendants.adopted import AdoptedProcesses
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.reactor import IDaemonReactor
from unixsvc.orchestrator.systemd.activation import restore, take
from unixsvc.tap.dashboard import DashboardService
from unixsvc.tap.log import make_log
from unixsvc.tap.options import Options
from unixsvc.tap.root import RootService
from unixsvc.tap.terminal import exit_with
from unixsvc.telemetry.logs import LogLevelFilter

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """Make the tree of services: the orchestrator with all configured services.

    An error on this machine, as a socket directory that cannot be used, ends the process with one line and
    exit code 2.
    """
    from twisted.internet import reactor  # not before twistd has installed it

    running = cast(IDaemonReactor, reactor)
    settings = options["settings"]
    level = LogLevelFilter(settings.log.level, settings.log.loggers)
    raise_limit()
    try:
        log = make_log(options, level)
        restore(os.environ)
        activation = take(os.environ, os.getpid())
        orchestrator = Orchestrator(
            settings,
            running,
            load=options.load,
            level=level,
            passed_sockets=activation.sockets,
            log=log.sink,
        )
        for name, service in settings.services.items():
            orchestrator.register(name, service)
        # Before the start: later a daemon has no terminal, and twistd would not set the exit code.
        orchestrator.bind()
        dashboard = DashboardService(orchestrator, running)
        dashboard.use(settings)
    except ConfigError as error:
        exit_with(error)
    root = RootService(
        orchestrator, running, log, activation, AdoptedProcesses(running, orchestrator.worker_pids)
    )
    dashboard.setServiceParent(root)
    return root
