"""A worker: the process that a service runs in. Started by the orchestrator, not by hand."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unixsvc.service.spec import WorkerConfig

__all__ = ["main"]

_MORE = 16  # connections whose handshake is not done


def main() -> None:
    """Be a worker."""
    # At QUIT it writes the stack of each thread to its log and goes on; in C, so a blocked loop does it too.
    faulthandler.register(signal.SIGQUIT, all_threads=True)
    # Ctrl-C reaches every process of the terminal, and it is the orchestrator's to say what follows. This
    # stands before the imports, which take most of the time that a worker needs to start.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # likewise, when a terminal is closed
    import uvloop
    from setproctitle import setproctitle

    from unixsvc.transport.private_apis import tls_when_needed

    with tls_when_needed():
        from twisted.internet import asyncioreactor
    from twisted.logger import globalLogBeginner

    from unixsvc.orchestrator.worker.messages import COMMANDS_FD, LISTENING_FD, REPORTS_FD, TALLY_FD
    from unixsvc.orchestrator.worker.orphan_watch import OrphanWatch
    from unixsvc.telemetry.logs import LogLevelFilter, WorkerObserver

    config = _read_orders()
    orphan_watch = OrphanWatch(COMMANDS_FD)
    orphan_watch.start()
    sockets = len(config.http.listen) if config.http else 1
    for descriptor in (REPORTS_FD, COMMANDS_FD, TALLY_FD, *range(LISTENING_FD, LISTENING_FD + sockets)):
        os.set_inheritable(descriptor, False)  # what the application starts has nothing to do with them
    setproctitle(f"unixsvc: {config.service} [{config.slot}]")
    sys.path.insert(0, config.folder)
    level = LogLevelFilter(config.log.level)
    observer = level.filter(WorkerObserver(sys.stderr))
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
    loop = uvloop.new_event_loop()
    asyncioreactor.install(loop)
    from twisted.internet import reactor  # only now is it the one that was installed

    from unixsvc.orchestrator.worker.worker import Worker

    # Not before: another user may not be able to read what is imported up to here.
    _raise_files()
    tls = _or_give_up(_load_keys, config)
    _or_give_up(_drop_privileges, config)
    worker = Worker(config, loop, reactor, level, orphan_watch, tls)
    running: Any = reactor
    running.callWhenRunning(worker.start)
    running.run(installSignalHandlers=False)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a thread of an action that was given up may block for ever.
    os._exit(worker.exit_code)


def _read_orders() -> WorkerConfig:
    from unixsvc.orchestrator.worker.messages import COMMANDS_FD, decode_orders

    line = bytearray()
    try:
        while not line.endswith(b"\n"):
            byte = os.read(COMMANDS_FD, 1)
            if not byte:
                sys.exit("unixsvc: the orchestrator is gone")
            line += byte
    except OSError:
        sys.exit("unixsvc: a worker is started by the orchestrator; run twistd unixsvc")
    return decode_orders(bytes(line))


def _raise_files() -> None:
    """Have as many descriptors as we may: the usual limit is for programs that call select()."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _load_keys(config: WorkerConfig) -> list[Any]:
    if config.http is None:
        return [None]
    from unixsvc.config.http import parse_listen
    from unixsvc.listen.tls import TlsContext, tls_context_for

    contexts = [tls_context_for(parse_listen(each, config.folder)) for each in config.http.listen]
    # One more than may be is told so, encrypted; some more than that have to be possible at a time.
    seconds, most = config.http.header_timeout, config.limits.max_connections + _MORE
    return [None if each is None else TlsContext(each, seconds, most) for each in contexts]


def _drop_privileges(config: WorkerConfig) -> None:
    from unixsvc.orchestrator.worker.privileges import drop

    drop(config.privileges)
    os.environ.update(config.settings.environment)  # what it says of HOME and USER holds


def _or_give_up(step: Callable[[WorkerConfig], Any], config: WorkerConfig) -> Any:
    """Take a step of the way to a worker; what cannot be is reported."""
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
