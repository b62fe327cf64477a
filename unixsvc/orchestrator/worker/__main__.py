"""The main program of a worker process. The orchestrator starts it; it is not for manual use."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

from unixsvc.orchestrator.worker.forks import end_process_group, ignore, isolate_forks, lead_session

if TYPE_CHECKING:
    from unixsvc.listen.tls import TlsContext
    from unixsvc.orchestrator.worker.debug.terminal import Terminal
    from unixsvc.service.spec import WorkerConfig
    from unixsvc.telemetry.access.journal import AccessJournal

__all__ = ["main"]

C = TypeVar("C")
T = TypeVar("T")

# TLS handshakes in progress beyond the connection limit: refused clients get their reply encrypted.
_EXTRA_HANDSHAKES: Final = 16
# How long the end of the process may wait for the log, in seconds.
_LAST_LINES: Final = 1.0


def main() -> None:
    """Run a worker."""
    # At QUIT the stack of each thread is written to the log, by code in C that a blocked event loop does not
    # prevent.
    faulthandler.register(signal.SIGQUIT, all_threads=True)
    # These calls precede the imports, which take most of the start time of a worker. The signals are for the
    # orchestrator, which decides what follows.
    ignore(signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    lead_session()
    import uvloop
    from setproctitle import setproctitle

    from unixsvc.transport.private_apis import (
        cookies_when_needed,
        endpoints_when_needed,
        mocks_when_needed,
        poll_descriptor,
        run_exit_handlers,
        tls_when_needed,
    )

    with mocks_when_needed():
        import svcs  # noqa: F401 - the first import of it in this process
    with tls_when_needed(), cookies_when_needed():
        from twisted.internet import asyncioreactor
    from twisted.logger import globalLogBeginner

    from unixsvc.orchestrator.worker.messages import (
        COMMANDS_FD,
        REPORTS_FD,
        WorkerLeadsGroup,
        check_version,
        encode_line,
    )
    from unixsvc.orchestrator.worker.orphan_watch import OrphanWatch
    from unixsvc.telemetry.log_file import OutputDescriptor
    from unixsvc.telemetry.logs import LogLevelFilter, LogObserver, log_writer
    from unixsvc.telemetry.stdlib.handlers import PythonLogging
    from unixsvc.telemetry.streams import use_utf8

    for version in sys.argv[1:]:  # of an orchestrator with another interpreter
        _or_fail(check_version, version)
    config = _read_config()
    orphan_watch = OrphanWatch(COMMANDS_FD)
    own, listening = _descriptors(config)
    for descriptor in own + listening:  # keep programs that the application starts from inheriting them
        os.set_inheritable(descriptor, False)
    os.write(REPORTS_FD, encode_line(WorkerLeadsGroup()))
    setproctitle(f"unixsvc: {config.service} [{config.slot}]")
    use_utf8()
    level = LogLevelFilter(config.log.level, config.log.loggers, config.log_rules, config.service)
    form = "text" if config.debugged else "json"  # a person reads it, or the orchestrator
    writer = log_writer(form, OutputDescriptor(2))
    flush_log = partial(writer.flush, _LAST_LINES)
    atexit.register(flush_log)
    observer = level.filter(LogObserver(form, writer.write))
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
    PythonLogging(level.observe).install()
    terminal = _or_fail(_prepare_breakpoints, config)
    loop = uvloop.new_event_loop()
    isolate_forks(own, listening, poll_descriptor(loop))
    asyncioreactor.install(loop)
    from twisted.internet import reactor  # not before it is installed

    from unixsvc.listen.fd_limits import raise_limit
    from unixsvc.orchestrator.reactor import IWorkerReactor
    from unixsvc.orchestrator.worker.bytecode import compile_settled_sources
    from unixsvc.orchestrator.worker.privileges import import_framework, import_framework_handler
    from unixsvc.orchestrator.worker.unawaited import UnawaitedDeferreds
    from unixsvc.orchestrator.worker.worker import Worker, WorkerRuntime

    with endpoints_when_needed():
        import_framework_handler(config.settings.handler)
    if config.privileges.is_other_user:
        import_framework(config.settings.handler, tracing=config.tracing.exporter != "off")
    raise_limit()
    tls = _or_fail(_load_tls, config)
    application_path = _application_path(config)
    _or_fail(_drop_privileges, config)
    # All threads must have the privileges of this one: setresuid(2) changes them all, but not prctl(2).
    orphan_watch.start()
    writer.start()
    sys.path += application_path
    compile_settled_sources()
    running = cast(IWorkerReactor, reactor)
    UnawaitedDeferreds(running).install()
    worker = Worker(
        config, WorkerRuntime(loop, running, level, flush_log, orphan_watch, tls, _open_journal(config))
    )
    if terminal is not None:
        terminal.on_end(worker.interrupt)
    running.callWhenRunning(worker.start)
    running.run(installSignalHandlers=False)
    run_exit_handlers()
    flush_log()
    sys.stdout.flush()
    sys.stderr.flush()
    if worker.orphaned:
        end_process_group(worker.exit_code)
    os._exit(worker.exit_code)


def _read_config() -> WorkerConfig:
    from unixsvc.orchestrator.worker.messages import COMMANDS_FD, decode_config

    line = bytearray()
    try:
        while not line.endswith(b"\n"):
            byte = os.read(COMMANDS_FD, 1)
            if not byte:
                sys.exit("unixsvc: the orchestrator has exited")
            line += byte
    except OSError:
        sys.exit("unixsvc: a worker is started by the orchestrator; run twistd unixsvc")
    return decode_config(bytes(line))


def _descriptors(config: WorkerConfig) -> tuple[list[int], list[int]]:
    """Our descriptors, and those of the listening sockets."""
    from unixsvc.orchestrator.worker.messages import (
        COMMANDS_FD,
        COUNTS_FD,
        LIMITS_FD,
        LISTENING_FD,
        METRICS_FD,
        REPORTS_FD,
        access_descriptor,
    )

    sockets = _count_sockets(config)
    own = [REPORTS_FD, COMMANDS_FD, COUNTS_FD, LIMITS_FD, METRICS_FD]
    if _has_journal(config):
        own.append(access_descriptor(sockets))
    return own, list(range(LISTENING_FD, LISTENING_FD + sockets))


def _count_sockets(config: WorkerConfig) -> int:
    return len(config.http.listen) if config.http else 1


def _has_journal(config: WorkerConfig) -> bool:
    return config.log.access != "off" and not config.debugged


def _open_journal(config: WorkerConfig) -> AccessJournal | None:
    if not _has_journal(config):
        return None
    from unixsvc.orchestrator.worker.messages import access_descriptor
    from unixsvc.telemetry.access.journal import AccessJournal

    return AccessJournal(access_descriptor(_count_sockets(config)))


def _prepare_breakpoints(config: WorkerConfig) -> Terminal | None:
    """Let ``breakpoint()`` open a debugger on the terminal of this worker, if it has one."""
    if not config.debugged:
        from unixsvc.orchestrator.worker.debug.breakpoints import SkippedBreakpoints

        SkippedBreakpoints(config.service).install()
        return None
    from unixsvc.orchestrator.worker.debug.terminal import Terminal

    terminal = Terminal()
    terminal.take()
    return terminal


def _load_tls(config: WorkerConfig) -> list[TlsContext | None]:
    """Make the TLS context of each listening socket."""
    if config.http is None:
        return [None]
    from unixsvc.config.http import parse_listen
    from unixsvc.listen.tls import TlsContext, make_tls_context

    handshakes = config.limits.max_connections + _EXTRA_HANDSHAKES
    timeout = config.http.header_timeout
    contexts: list[TlsContext | None] = []
    for endpoint in config.http.listen:
        certificate = config.certificates.get(endpoint)
        if certificate is None:
            contexts.append(None)
            continue
        context = make_tls_context(certificate, parse_listen(endpoint, config.folder))
        contexts.append(TlsContext(context, timeout, handshakes))
    return contexts


def _drop_privileges(config: WorkerConfig) -> None:
    from unixsvc.orchestrator.worker.privileges import drop

    drop(config.privileges)
    os.environ.update(config.settings.environment)  # last, so that it may override HOME and USER
    time.tzset()


def _application_path(config: WorkerConfig) -> list[str]:
    """The places from which the application is imported, once the privileges are dropped.

    Its folder is last: a module ``token`` there must not take the place of the standard library's, which
    other modules import.
    """
    from unixsvc.orchestrator.worker.environment import import_path

    # The interpreter has read the variable of a worker with the orchestrator's user.
    configured = import_path(config.settings.environment) if config.privileges.is_other_user else []
    return [*configured, config.folder]


def _or_fail(step: Callable[[C], T], config: C) -> T:
    """Run a step of the start; report a ConfigError to the orchestrator and exit."""
    from unixsvc.errors import ConfigError
    from unixsvc.orchestrator.signals import BOOT_FAILED
    from unixsvc.orchestrator.worker.messages import REPORTS_FD, WorkerFailed, encode_line

    try:
        return step(config)
    except ConfigError as error:
        os.write(REPORTS_FD, encode_line(WorkerFailed(str(error))))
        sys.exit(BOOT_FAILED)


if __name__ == "__main__":
    main()
