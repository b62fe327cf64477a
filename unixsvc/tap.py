"""``twistd unixsvc``: its options, and the tree of services."""

from __future__ import annotations

from unixsvc.standard_descriptors import open_standard_descriptors

open_standard_descriptors()  # before the other imports, as these open files

import io
import os
import select
import sys
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn, TextIO, cast

from msgspec import Struct
from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.listen.fd_limits import raise_limit
from unixsvc.orchestrator.descendants.adopted import AdoptedProcesses
from unixsvc.orchestrator.interfaces import IOrchestratorWatcher
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.reactor import IDaemonReactor
from unixsvc.orchestrator.signals import (
    BOOT_FAILED,
    ESSENTIAL_FAILED,
    WRONG_USAGE,
    ExitCode,
    SignalActions,
    Signals,
)
from unixsvc.orchestrator.systemd.activation import Activation, restore, take
from unixsvc.orchestrator.systemd.service import SystemdService
from unixsvc.safe_open import check_pidfile
from unixsvc.telemetry.limited_logger import report_suppressed
from unixsvc.telemetry.log_file import AppendedFile, LogOutput, OutputDescriptor
from unixsvc.telemetry.log_record import FORMATS
from unixsvc.telemetry.log_writer import LogWriter
from unixsvc.telemetry.logs import LogLevelFilter, LogObserver, log_writer
from unixsvc.telemetry.streams import use_utf8

__all__ = ["Options", "makeService"]


# How long the end of the process may wait for the log, in seconds.
_LAST_LINES: Final = 1.0
# Characters of one byte that a pipe takes if it takes any, see pipe(7).
_PIPE_SPACE: Final = 4096


def _print_error(problem: object) -> None:
    """Write to the terminal: once the log has begun, ``sys.stderr`` leads into it."""
    if sys.__stderr__ is None:
        return
    with suppress(OSError):  # its reader has exited
        if _can_write(sys.__stderr__):
            sys.__stderr__.write(f"unixsvc: {problem}\n"[:_PIPE_SPACE])
            sys.__stderr__.flush()


def _can_write(stream: TextIO) -> bool:
    """False if writing would block: a pipe is full, and is not read within a second."""
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(_LAST_LINES * 1000))


def _exit_with(problem: object) -> NoReturn:
    _print_error(problem)
    raise SystemExit(WRONG_USAGE)


class Options(usage.Options):
    """The options of the subcommand."""

    parent: Any  # usage.Options if twistd parses it, else None; tests replace it
    synopsis = "[options]"
    longdesc = "Runs the services of unixsvc.toml, or the demo if there is none."
    optParameters = [
        ["socket-dir", None, None, "The socket directory; overrides the configuration."],
        ["log-format", None, None, f"The log format; overrides the configuration: {' or '.join(FORMATS)}."],
    ]

    optFlags = [
        ["no-http", None, "Do not listen for HTTP; overrides the configuration."],
        ["dev", None, "Apply the table [dev] of the configuration, as unixsvc dev does."],
    ]

    def __init__(self) -> None:
        super().__init__()
        use_utf8()
        self["config"] = None
        self._http: list[str] = []
        self._folder = os.getcwd()  # a daemon changes the current directory before a reload

    def parseOptions(self, options: Any = None) -> None:  # Any: as Twisted declares it
        """Parse the options. For a mistake, ``twistd`` would print all its help and exit with code 0."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            _exit_with(f"{error}; see twistd unixsvc --help")

    def parseArgs(self, *arguments: str) -> None:
        """Refuse arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}")

    def load(self) -> Settings:
        """Read the configuration, at the start or at a reload.

        :raises ConfigError: if it is wrong.
        """
        http = () if self["no-http"] else tuple(self._http) or None
        return load_settings(
            self["config"],
            socket_dir=self["socket-dir"],
            cwd=self._folder,
            http=http,
            development=bool(self["dev"]),
        )

    def opt_config(self, path: str) -> None:
        """The configuration; default: unixsvc.toml here. Of several, the later override the earlier."""
        self["config"] = [*(self["config"] or ()), path]

    opt_c = opt_config

    def opt_http(self, endpoint: str) -> None:
        """Where to listen for HTTP, as tcp:8080:interface=127.0.0.1; may be repeated."""
        self._http.append(endpoint)

    def postOptions(self) -> None:
        """Read the configuration, and set the options of ``twistd`` that depend on it."""
        if self.parent is not None and "pidfile" not in self.parent:
            # ``twist`` would neither set the exit code nor use the log observer.
            _exit_with("twist cannot run the plugin unixsvc; run 'twistd -n unixsvc', with the same options")
        try:
            settings = self.load()
        except ConfigError as error:
            _exit_with(error)
        if self["log-format"] not in (None, *FORMATS):
            raise usage.UsageError(f"--log-format is {' or '.join(FORMATS)}, not {self['log-format']!r}")
        self["settings"] = settings
        if settings.files:
            self["config"] = list(settings.files)  # a reload reads the same files
        if self.parent is not None and self.parent["pidfile"] == "twistd.pid":
            # The lock of the socket directory has the same purpose, and no process leaves it behind.
            self.parent["pidfile"] = ""
        elif self.parent is not None and self.parent["pidfile"]:
            try:
                check_pidfile(self.parent["pidfile"])
            except ConfigError as error:
                _exit_with(error)


class _Log(Struct, frozen=True):
    """The log of this process."""

    observer: ILogObserver
    writer: LogWriter


def _make_log(options: Options, level: LogLevelFilter) -> _Log:
    form = options["log-format"] or options["settings"].log.format
    writer = log_writer(form, _log_output(options))
    return _Log(level.filter(LogObserver(form, writer.write)), writer)


def _log_output(options: Options) -> LogOutput:
    """The log file that ``twistd`` or the configuration names, or else standard output.

    :raises ConfigError: if it cannot be opened.
    """
    twistd = options.parent or {"nodaemon": True, "logfile": None}
    path = twistd["logfile"] or options["settings"].log.file or ("-" if twistd["nodaemon"] else "twistd.log")
    if path == "-":
        return OutputDescriptor(1)
    try:
        return AppendedFile(os.path.abspath(path))
    except OSError as error:
        raise ConfigError(
            path, f"the log file cannot be opened: {error.strerror}", "choose another --logfile"
        ) from None


@implementer(IOrchestratorWatcher)
class _Root(MultiService):
    """The root of the tree: connects the orchestrator to signals, exit code, log and systemd."""

    def __init__(
        self,
        orchestrator: Orchestrator,
        reactor: IDaemonReactor,
        log: _Log,
        activation: Activation,
        adopted: Service,
    ) -> None:
        super().__init__()
        self._orchestrator = orchestrator
        self._log = log
        self._reactor = reactor
        self._exit = ExitCode(partial(log.writer.flush, _LAST_LINES))
        self._signals = Signals(
            reactor,
            SignalActions(
                stop=self._stop,
                stop_now=orchestrator.abort,
                reload=self._reload,
                reopen_log=log.writer.reopen,
                kill_workers=orchestrator.kill_workers,
            ),
        )
        self._systemd = SystemdService(activation, orchestrator, reactor)
        self._adopted = adopted
        orchestrator.watcher = self
        orchestrator.setServiceParent(self)
        self._systemd.setServiceParent(self)

    def setServiceParent(self, parent: Componentized) -> None:
        """Join the application and set its log observer; ``twistd --logger`` takes precedence."""
        super().setServiceParent(parent)
        parent.setComponent(ILogObserver, self._log.observer)

    def startService(self) -> None:
        """Start the services, and install the signal handlers."""
        # Not before: a daemon has forked since.
        self._log.writer.start()
        self._adopted.startService()
        super().startService()
        self._reactor.callWhenRunning(self._signals.install)
        self._orchestrator.when_ready().addCallbacks(lambda _: self._systemd.ready(), self._boot_failed)

    def stopService(self) -> Deferred[object]:
        """Stop the services, and then end what their workers have left behind."""
        stopped: Deferred[object] = super().stopService()
        return stopped.addCallback(lambda _: self._adopted.stopService())

    # IOrchestratorWatcher.

    def reloading(self) -> None:
        """A reload has begun."""
        self._systemd.reloading()

    def reloaded(self, error: str) -> None:
        """The reload has ended."""
        self._systemd.reloaded(error)

    def aborted(self, name: str, reason: str) -> None:
        """An essential service has failed: stop."""
        self._end(ESSENTIAL_FAILED, f"services.{name}: an essential service has failed: {reason}")

    def _boot_failed(self, failure: Failure) -> None:
        self._end(BOOT_FAILED, failure.getErrorMessage())

    def _end(self, code: int, problem: str) -> None:
        if self._signals.stopping or self._exit.code:
            return  # a stop has begun already
        self._exit.code = code
        _print_error(problem)
        self._reactor.callWhenRunning(self._signals.stop)

    def _stop(self) -> None:
        report_suppressed(final=True)  # twistd removes its log observer before the writer is flushed
        self._systemd.stopping()
        self._reactor.stop()

    def _reload(self) -> None:
        self._orchestrator.reload().addErrback(lambda failure: None)  # the orchestrator has logged it


def makeService(options: Options) -> IService:
    """Make the tree of services: the orchestrator with all configured services.

    An error on this machine, as a socket directory that cannot be used, ends the process with one line and
    exit code 2.
    """
    from twisted.internet import reactor  # not before twistd has installed it

    running = cast(IDaemonReactor, reactor)
    settings = options["settings"]
    level = LogLevelFilter(settings.log.level)
    raise_limit()
    try:
        log = _make_log(options, level)
        restore(os.environ)
        activation = take(os.environ, os.getpid())
        orchestrator = Orchestrator(
            settings, running, load=options.load, level=level, passed_sockets=activation.sockets
        )
        for name, service in settings.services.items():
            orchestrator.register(name, service)
        # Before the start: later a daemon has no terminal, and twistd would not set the exit code.
        orchestrator.bind()
    except ConfigError as error:
        _exit_with(error)
    return _Root(orchestrator, running, log, activation, AdoptedProcesses(running, orchestrator.worker_pids))
