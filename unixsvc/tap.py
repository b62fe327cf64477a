"""``twistd unixsvc``: reads the options, and puts the services together."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from zope.interface import implementer

from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.interfaces import IOrchestratorWatcher
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.signals import BOOT_FAILED, ESSENTIAL_FAILED, WRONG_USAGE, ExitCode, Signals
from unixsvc.orchestrator.systemd.notify import Activation, restore, take
from unixsvc.orchestrator.systemd.service import SystemdService
from unixsvc.telemetry.logs import FORMATS, LogLevelFilter, observer

__all__ = ["Options", "makeService"]


def _say(problem: object) -> None:
    """Tell the person at the terminal; once the log has begun, sys.stderr leads into it."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(f"unixsvc: {problem}\n")
        sys.__stderr__.flush()


def _refuse(problem: object) -> NoReturn:
    _say(problem)
    raise SystemExit(WRONG_USAGE)


class Options(usage.Options):
    """The options of the subcommand."""

    parent: Any
    synopsis = "[options]"
    longdesc = "Runs the services of unixsvc.toml, or the demo if there is none."
    optParameters = [
        ["config", "c", None, "The configuration; default: unixsvc.toml in the current directory."],
        ["socket-dir", None, None, "Where the sockets are, instead of what the configuration says."],
        ["log-format", None, None, f"How the log is written: {' or '.join(FORMATS)}."],
    ]

    optFlags = [["no-http", None, "Do not listen for HTTP, whatever the configuration says."]]

    def __init__(self) -> None:
        super().__init__()
        self._http: list[str] = []
        self._folder = os.getcwd()  # a daemon may be somewhere else by the time of a reload

    def parseOptions(self, options: Any = None) -> None:
        """Parse; ``twistd`` would print all its help for a mistake, and end with 0."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            _refuse(f"{error}; see twistd unixsvc --help")

    def parseArgs(self, *arguments: str) -> None:
        """Take no arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}")

    def load(self) -> Settings:
        """Read the configuration, now or anew.

        :raises ConfigError: if it is wrong.
        """
        http = () if self["no-http"] else tuple(self._http) or None
        return load_settings(self["config"], socket_dir=self["socket-dir"], cwd=self._folder, http=http)

    def opt_http(self, endpoint: str) -> None:
        """Where to listen for HTTP, as tcp:8080:interface=127.0.0.1; may be repeated."""
        self._http.append(endpoint)

    def postOptions(self) -> None:
        """Read the configuration, and have ``twistd`` log as it says."""
        try:
            settings = self.load()
        except ConfigError as error:
            _refuse(error)
        if self["log-format"] not in (None, *FORMATS):
            raise usage.UsageError(f"--log-format is {' or '.join(FORMATS)}, not {self['log-format']!r}")
        self["settings"] = settings
        if os.path.exists(settings.source):
            self["config"] = settings.source  # that very file, if there is to be a reload
        if self.parent is not None and self.parent["pidfile"] == "twistd.pid":
            # The lock of the socket directory does its work, and outlives no process.
            self.parent["pidfile"] = ""


def _make_observer(options: Options, level: LogLevelFilter) -> ILogObserver:
    log, twistd = options["settings"].log, options.parent or {"nodaemon": True, "logfile": None}
    name, file = twistd["logfile"], sys.stdout
    if name != "-" and (name or not twistd["nodaemon"]):
        file = LogFile.fromFullPath(name or "twistd.log")
    return observer(options["log-format"] or log.format, level, file)


@implementer(IOrchestratorWatcher)
class _Root(MultiService):
    """The top of the tree: joins the orchestrator to the process, its log, signals, exit code and systemd."""

    def __init__(
        self, orchestrator: Orchestrator, reactor: Any, log: ILogObserver, activation: Activation
    ) -> None:
        super().__init__()
        self._orchestrator = orchestrator
        self._log = log
        self._reactor = reactor
        self._exit = ExitCode()
        self._signals = Signals(
            reactor, self._stop, orchestrator.abort, self._reload, orchestrator.kill_workers
        )
        self._systemd = SystemdService(activation, orchestrator, reactor)
        orchestrator.watcher = self
        orchestrator.setServiceParent(self)
        self._systemd.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Join the application, and say how it logs; ``twistd --logger`` has precedence."""
        super().setServiceParent(parent)
        parent.setComponent(ILogObserver, self._log)

    def startService(self) -> None:
        """Start, and listen for signals."""
        super().startService()
        self._reactor.callWhenRunning(self._signals.install)
        self._orchestrator.when_ready().addCallbacks(lambda _: self._systemd.ready(), self._boot_failed)

    # What the orchestrator tells.

    def reloading(self) -> None:
        """A reload begins."""
        self._systemd.reloading()

    def reloaded(self) -> None:
        """It is over."""
        self._systemd.reloaded()

    def aborted(self, name: str, reason: str) -> None:
        """An essential service has failed: the others are of no use without it."""
        self._end(ESSENTIAL_FAILED, f"services.{name}: an essential service has failed: {reason}")

    def _boot_failed(self, failure: Failure) -> None:
        self._end(BOOT_FAILED, failure.getErrorMessage())

    def _end(self, code: int, why: str) -> None:
        if self._signals.stopping or self._exit.code:
            return  # it ends already
        self._exit.code = code
        _say(why)
        self._reactor.callWhenRunning(self._signals.stop)

    def _stop(self) -> None:
        self._systemd.stopping()
        self._reactor.stop()

    def _reload(self) -> None:
        self._orchestrator.reload().addErrback(lambda failure: None)  # the orchestrator has logged it


def makeService(options: Options) -> IService:
    """The tree of services: the orchestrator with all that are configured.

    What is wrong on this machine ends the process with one line and exit code 2.
    """
    from twisted.internet import reactor  # only now is it the one that twistd was told to use

    settings = options["settings"]
    level = LogLevelFilter(settings.log.level)
    try:
        restore(os.environ)
        activation = take(os.environ, os.getpid())
        orchestrator = Orchestrator(
            settings, reactor, load=options.load, level=level, handed=activation.sockets
        )
        for name, service in settings.services.items():
            orchestrator.register(name, service)
        # Now, not when it is started: a daemon has lost its terminal by then, and twistd its exit code.
        orchestrator.bind()
    except ConfigError as error:
        _refuse(error)
    return _Root(orchestrator, reactor, _make_observer(options, level), activation)
