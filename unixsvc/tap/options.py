"""The options of ``twistd unixsvc``."""

from __future__ import annotations

import os
from typing import Any

from twisted.python import usage

from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.safe_open import check_pidfile
from unixsvc.tap.asyncio_reactor import require_asyncio
from unixsvc.tap.terminal import exit_with
from unixsvc.telemetry.log_record import FORMATS
from unixsvc.telemetry.streams import use_utf8

__all__ = ["Options"]


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
            exit_with(f"{error}; see twistd unixsvc --help")

    def parseArgs(self, *arguments: str) -> None:
        """Refuse arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}")

    def load(self) -> Settings:
        """Read the configuration, at the start or at a reload.

        :raises ConfigError: if it is wrong.
        """
        http = () if self["no-http"] else tuple(self._http) or None
        settings = load_settings(
            self["config"],
            socket_dir=self["socket-dir"],
            cwd=self._folder,
            http=http,
            development=bool(self["dev"]),
        )
        require_asyncio(settings)
        return settings

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
            exit_with("twist cannot run the plugin unixsvc; run 'twistd -n unixsvc', with the same options")
        try:
            settings = self.load()
        except ConfigError as error:
            exit_with(error)
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
                exit_with(error)
