"""Tests of ``twistd unixsvc``: its options, and the tree of services."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.application.service import Application, IService, IServiceCollection, IServiceMaker
from twisted.logger import ILogObserver, Logger
from twisted.plugin import getPlugins
from twisted.python.usage import Options as TwistdOptions
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.orchestrator import Orchestrator
from unixsvc.orchestrator.systemd.service import SystemdService
from unixsvc.tap import Options, makeService
from unixsvc.tap.dashboard import DashboardService

CONFIG = """
socket_dir = "run"
[services.shop]
app = "shop:app"
[services.till]
app = "till:app"
"""


class Twistd(TwistdOptions):
    """The options of twistd that ours read."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.update({"pidfile": "twistd.pid", "logfile": None, "nodaemon": True, "logger": None, **options})


class OptionsTestCase(SynchronousTestCase):
    """A test with a configuration in a folder."""

    def setUp(self) -> None:
        """Write the configuration."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.config = os.path.join(self.folder, "unixsvc.toml")
        Path(self.config).write_text(CONFIG)

    def parsed(self, *arguments: str, config: bool = True, **twistd: Any) -> Options:
        """The options, parsed as twistd does."""
        options = Options()
        options.parent = Twistd(**twistd)
        options.parseOptions([*(["--config", self.config] if config else []), *arguments])
        return options

    def refused(self, *arguments: str, **options: Any) -> str:
        """The error line for wrong arguments; the exit code is 2."""
        errors = io.StringIO()
        self.patch(sys, "__stderr__", errors)
        ended = self.assertRaises(SystemExit, self.parsed, *arguments, **options)
        self.assertEqual(ended.code, 2)
        self.assertEqual(errors.getvalue().count("\n"), 1)
        return errors.getvalue()


class OptionsTests(OptionsTestCase):
    """The command line."""

    def test_config(self) -> None:
        """The configuration is read from the given path."""
        self.assertEqual(list(self.parsed()["settings"].services), ["shop", "till"])

    def test_overlays(self) -> None:
        """Of several files, the later override the earlier; a reload reads all of them again."""
        over = Path(self.folder, "over.toml")
        over.write_text("services.till.workers = 3\n")
        options = self.parsed("-c", str(over))
        self.assertEqual(options["settings"].services["till"].workers, 3)
        self.assertEqual(options["config"], [self.config, str(over)])
        over.write_text("services.till.workers = 4\n")
        Path(self.config).write_text(CONFIG + "threads = 2\n")
        till = options.load().services["till"]
        self.assertEqual((till.workers, till.threads), (4, 2))
        over.unlink()
        error = self.assertRaises(ConfigError, options.load)
        self.assertEqual(str(error), f"{over}: no such file")

    def test_inline_service(self) -> None:
        """An inline service needs a reactor on asyncio; that of trial is another."""
        Path(self.config).write_text(CONFIG + 'isolation = "inline"\n')
        line = self.refused()
        self.assertIn("services.till.isolation: is inline, and the reactor", line)

    def test_socket_dir(self) -> None:
        """The socket directory of the configuration can be overridden."""
        self.assertEqual(self.parsed()["settings"].socket_dir, os.path.join(self.folder, "run"))
        self.assertEqual(self.parsed("--socket-dir", "/srv/s")["settings"].socket_dir, "/srv/s")

    def test_log_format(self) -> None:
        """Both log formats can be chosen, and no other."""
        for form in "text", "json":
            self.assertEqual(self.parsed("--log-format", form)["log-format"], form)
        self.assertIn("xml", self.refused("--log-format", "xml"))

    def test_twist(self) -> None:
        """Under ``twist``, which has other options than ``twistd``, one line says what to run instead."""
        errors = io.StringIO()
        self.patch(sys, "__stderr__", errors)
        options = Options()
        options.parent = TwistdOptions()
        ended = self.assertRaises(SystemExit, options.parseOptions, ["--config", self.config])
        line = (
            "unixsvc: twist cannot run the plugin unixsvc; run 'twistd -n unixsvc', with the same options\n"
        )
        self.assertEqual((ended.code, errors.getvalue()), (2, line))

    def test_wrong_usage(self) -> None:
        """Unknown options and arguments are named."""
        self.assertIn("wrong", self.refused("--wrong"))
        self.assertIn("much", self.refused("much"))
        self.assertIn("config", self.refused("--config", config=False))

    def test_http(self) -> None:
        """The HTTP addresses can be overridden or disabled."""
        Path(self.config).write_text(CONFIG + '[http]\nmounts = {"/shop" = "shop"}\n')
        default = self.parsed()["settings"]
        self.assertEqual(default.gateways["http"].listen, ("tcp:8080:interface=127.0.0.1",))
        self.assertEqual(list(default.services), ["shop", "till", "http"])
        elsewhere = self.parsed("--http", "tcp:81", "--http=unix:x")["settings"]
        self.assertEqual(elsewhere.gateways["http"].listen, ("tcp:81", "unix:x"))
        nowhere = self.parsed("--no-http", "--http", "tcp:81")["settings"]
        self.assertEqual((nowhere.gateways, list(nowhere.services)), ({}, ["shop", "till"]))

    def test_dev(self) -> None:
        """``--dev`` applies the table [dev], also at a reload."""
        Path(self.config).write_text(CONFIG + "[dev.services.till]\nworkers = 3\n")
        self.assertEqual(self.parsed()["settings"].services["till"].workers, 1)
        options = self.parsed("--dev")
        for settings in (options["settings"], options.load()):
            self.assertEqual(settings.services["till"].workers, 3)

    def test_no_http(self) -> None:
        """HTTP addresses without a table [http] are an error."""
        self.assertIn("[http]", self.refused("--http", "tcp:81"))
        self.assertEqual(self.parsed("--no-http")["settings"].gateways, {})

    def test_wrong_http(self) -> None:
        """An invalid endpoint string is refused."""
        Path(self.config).write_text(CONFIG + '[http]\nmounts = {"/shop" = "shop"}\n')
        self.assertIn("tcp:eighty", self.refused("--http", "tcp:eighty"))

    def test_wrong_configuration(self) -> None:
        """An error in the configuration is one line that names the file and the key."""
        Path(self.config).write_text(CONFIG + "wokers = 2\n")
        line = self.refused()
        self.assertIn(self.config, line)
        self.assertIn("services.till.wokers", line)
        self.assertIn("/none.toml", self.refused("--config", "/none.toml", config=False))

    def test_load_again(self) -> None:
        """A reload reads the same file, in whatever directory the process is then."""
        os.symlink(self.config, os.path.join(self.folder, "other.toml"))
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        options = Options()
        options.parseOptions(["--config", "other.toml", "--socket-dir", "s"])
        os.chdir("/")
        Path(self.config).write_text(CONFIG + "workers = 7\n")
        self.assertEqual(options["settings"].services["till"].workers, 1)
        loaded = options.load()
        self.assertEqual(loaded.services["till"].workers, 7)
        self.assertEqual(loaded.socket_dir, options["settings"].socket_dir)
        Path(self.config).write_text("nonsense")
        self.assertRaises(ConfigError, options.load)

    def test_pidfile(self) -> None:
        """The default pidfile of twistd is disabled; one that is requested is kept."""
        self.assertEqual(self.parsed().parent["pidfile"], "")
        self.assertEqual(self.parsed(pidfile="/run/x.pid").parent["pidfile"], "/run/x.pid")

    def test_unsafe_pidfile(self) -> None:
        """A pidfile that another user can replace is refused."""
        os.chmod(self.folder, 0o777)
        line = self.refused(pidfile=os.path.join(self.folder, "x.pid"))
        self.assertIn("others can write to the directory of the pidfile", line)


class ServiceTests(OptionsTestCase):
    """The tree of services."""

    def joined(self, *arguments: str, **twistd: Any) -> Any:
        """An application with our service, not started."""
        application = Application("test")
        service = makeService(self.parsed(*arguments, **twistd))
        self.addCleanup(service.stopService)
        service.setServiceParent(application)
        return application

    def test_tree(self) -> None:
        """The root has the orchestrator, the systemd service and the page as children."""
        (root,) = IServiceCollection(self.joined())
        self.assertTrue(IService.providedBy(root))
        orchestrator, systemd, dashboard = root
        self.assertIsInstance(orchestrator, Orchestrator)
        self.assertIsInstance(systemd, SystemdService)
        self.assertIsInstance(dashboard, DashboardService)

    def test_logs_to_file(self) -> None:
        """The log has the file of twistd and the requested format."""
        path = os.path.join(self.folder, "log")
        application = self.joined("--log-format", "json", logfile=path)
        Logger("x", observer=ILogObserver(application)).info("hello")
        (root,) = IServiceCollection(application)
        root._log.writer.write_queued()
        self.assertIn('"message":"hello"', Path(path).read_text())

    def test_log_file(self) -> None:
        """The log has the file of the configuration, relative to it."""
        Path(self.config).write_text(CONFIG + '[log]\nfile = "shop.log"\n')
        self.joined()
        self.assertTrue(os.path.exists(os.path.join(self.folder, "shop.log")))

    def test_log_file_of_twistd(self) -> None:
        """The option of twistd overrides the configuration."""
        Path(self.config).write_text(CONFIG + '[log]\nfile = "shop.log"\n')
        self.joined(logfile="-")
        self.assertFalse(os.path.exists(os.path.join(self.folder, "shop.log")))

    def test_wrong_log_file(self) -> None:
        """A log file that cannot be opened is an error."""
        errors = io.StringIO()
        self.patch(sys, "__stderr__", errors)
        Path(self.config).write_text(CONFIG + '[log]\nfile = "none/shop.log"\n')
        ended = self.assertRaises(SystemExit, makeService, self.parsed())
        self.assertEqual(ended.code, 2)
        self.assertIn("none/shop.log: the log file cannot be opened: No such file", errors.getvalue())

    def test_binds_at_once(self) -> None:
        """Errors of binding are reported before twistd becomes a daemon."""
        self.joined()
        error, stream = io.StringIO(), sys.__stderr__
        sys.__stderr__ = error  # type: ignore[misc, assignment]  # what twistd does not redirect
        try:
            with self.assertRaises(SystemExit) as caught:
                makeService(self.parsed())
        finally:
            sys.__stderr__ = stream  # type: ignore[misc]
        self.assertEqual(caught.exception.code, 2)
        self.assertIn("another orchestrator runs here", error.getvalue())

    def test_plugin(self) -> None:
        """Twistd finds the plugin by its name."""
        (plugin,) = (each for each in getPlugins(IServiceMaker) if each.tapname == "unixsvc")
        self.assertEqual((plugin.options, plugin.makeService), (Options, makeService))
