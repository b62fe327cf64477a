"""Tests of the configuration file."""

from __future__ import annotations

import os

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.control import ControlAccess
from unixsvc.config.cpus import available_cpus
from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Limits, Log, ResourceLimits, Security, ServiceSettings, Settings
from unixsvc.errors import ConfigError

SERVICE = '\n[services.home]\napp = "home:app"\n'

FULL = """
socket_dir = "run"
socket_mode = "770"
token_file = "secret/token"

[limits]
request_timeout = 1
message_timeout = 2.5
idle_timeout = 3
max_message_bytes = 64
max_connections = 5
max_inflight = 6
backlog = 7
authentication_timeout = 8
max_buffered_bytes = 9000000
max_connections_per_user = 3

[security]
token = "private"
allow_uids = [0, 1000]
allow_gids = [4]

[control]
allow_uids = ["root", 1000]
allow_gids = ["adm"]
read_uids = [4]
read_gids = [4, "5"]

[services.home]
app = "home:app"
workers = "auto"
threads = 2
handler = "other:Handler"
isolation = "inline"
depends_on = ["user"]
essential = true
boot_timeout = 1
drain_timeout = 2
drain_delay = 1.5
ready_timeout = 2.5
kill_timeout = 3
watchdog = 4
start_limit = 6
start_interval = 7.5
stable_after = 8
max_requests = 9
max_memory = 10
max_age = 11
user = "nobody"
group = "12"
umask = "027"
rlimits = { open_files = 13, memory = 14 }
max_inflight = 60
environment = { LANG = "C" }
options = { deep = { list = [1, "x"] } }

[services.user]
app = "user:app"

[log]
format = "json"
level = "debug"
loggers = { "shop.db" = "warn" }
"""


class ConfigTestCase(SynchronousTestCase):
    """A test with a folder for files."""

    def setUp(self) -> None:
        """Make an empty folder, and unset the variables for the socket directory."""
        self.folder = os.path.realpath(self.mktemp())
        os.makedirs(self.folder)
        for name in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
            self.set_environment(name, None)

    def set_environment(self, name: str, value: str | None) -> None:
        """Change a variable until the end of the test."""
        before = os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
        self.addCleanup(
            lambda: os.environ.pop(name, None) if before is None else os.environ.update({name: before})
        )

    def write(self, text: str | bytes, name: str = "unixsvc.toml") -> str:
        """Write a file; its path."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return path

    def load(self, text: str = SERVICE) -> Settings:
        """The settings of a file."""
        return load_settings(self.write(text))

    def assert_refused(self, text: str | bytes, *words: str) -> None:
        """Assert that a file is refused, in one line that names it and contains these words."""
        path = self.write(text)
        with self.assertRaises(ConfigError) as caught:
            load_settings(path)
        line = str(caught.exception)
        self.assertTrue(line.startswith(path), line)
        self.assertEqual(len(line.splitlines()), 1)
        for word in words:
            self.assertIn(word, line)


class LoadTests(ConfigTestCase):
    """Valid files."""

    def test_full(self) -> None:
        """All keys are read."""
        settings = self.load(FULL)
        self.assertEqual(
            (settings.socket_mode, settings.log), (0o770, Log("json", "debug", loggers={"shop.db": "warn"}))
        )
        self.assertEqual(settings.limits, Limits(1, 2.5, 3, 64, 5, 6, 7, 8, 9_000_000, 3))
        self.assertEqual(settings.security, Security("private", (0, 1000), (4,)))
        self.assertEqual(settings.control, ControlAccess(("root", 1000), ("adm",), (4,), (4, "5")))
        home = settings.services["home"]
        expected = ServiceSettings(
            "home:app", workers="auto", threads=2, handler="other:Handler", isolation="inline",
            depends_on=("user",), essential=True, boot_timeout=1, drain_timeout=2, kill_timeout=3, watchdog=4,
            drain_delay=1.5, ready_timeout=2.5,
            start_limit=6, start_interval=7.5, stable_after=8, max_requests=9, max_memory=10, max_age=11,
            user="nobody", group="12", umask="027", rlimits=ResourceLimits(open_files=13, memory=14),
            max_inflight=60, environment={"LANG": "C"}, options={"deep": {"list": [1, "x"]}},
        )  # fmt: skip
        self.assertEqual(home, expected)
        self.assertEqual(home.worker_count, available_cpus())

    def test_defaults(self) -> None:
        """The defaults are as documented."""
        settings = self.load()
        self.assertEqual(
            (settings.limits, settings.security, settings.log, settings.socket_mode),
            (Limits(), Security(), Log(), 0o660),
        )
        self.assertEqual(settings.security.token, "required")
        home = settings.services["home"]
        self.assertEqual((home.workers, home.worker_count, home.isolation), (1, 1, "process"))
        self.assertEqual(
            (home.boot_timeout, home.drain_timeout, home.kill_timeout, home.threads), (10.0, 30.0, 5.0, 8)
        )
        self.assertEqual(
            (home.watchdog, home.start_limit, home.start_interval, home.stable_after), (10.0, 5, 10.0, 1.0)
        )
        self.assertEqual((home.drain_delay, home.ready_timeout), (0.0, 2.0))
        self.assertEqual((home.max_requests, home.max_memory, home.max_age), (0, 0, 0.0))
        self.assertEqual((home.depends_on, home.essential), ((), False))
        self.assertEqual((home.user, home.group, home.umask, home.rlimits), ("", "", "", ResourceLimits()))
        limits = (30.0, 30.0, 300.0, 1_048_576, 1024, 1024, 1024, 5.0, 67_108_864, 0)
        self.assertEqual(msgspec.structs.astuple(Limits()), limits)
        self.assertEqual(Limits().connections_per_user, 512)

    def test_limits_of_a_service(self) -> None:
        """A limit of a service overrides the general one."""
        settings = self.load("[limits]\nbacklog = 5\nmax_inflight = 6" + SERVICE + "backlog = 50\n")
        home = settings.services["home"]
        self.assertEqual(home.limits(settings.limits), Limits(backlog=50, max_inflight=6))
        names = Limits.__struct_fields__
        own = msgspec.convert({"app": "x:y"} | dict.fromkeys(names, 70), ServiceSettings)
        self.assertEqual(own.limits(Limits()), Limits(*[70] * len(names)))

    def test_paths(self) -> None:
        """Relative paths are relative to the file, and become absolute."""
        settings = self.load(FULL)
        self.assertEqual((settings.folder, settings.source), (self.folder, f"{self.folder}/unixsvc.toml"))
        self.assertEqual(settings.socket_dir, f"{self.folder}/run")
        self.assertEqual(settings.token_file, f"{self.folder}/secret/token")
        self.assertEqual(self.load().token_file, f"{self.folder}/.auth_token")

    def test_absolute_paths(self) -> None:
        """Absolute paths are kept, in normal form."""
        settings = self.load('socket_dir = "/srv//x/../run/"\ntoken_file = "/srv/token"' + SERVICE)
        self.assertEqual((settings.socket_dir, settings.token_file), ("/srv/run", "/srv/token"))

    def test_socket_mode(self) -> None:
        """A mode is a string of octal digits."""
        for text, mode in (("0600", 0o600), ("660", 0o660), ("0777", 0o777)):
            self.assertEqual(self.load(f'socket_mode = "{text}"' + SERVICE).socket_mode, mode)
        for wrong in ('"0o660"', '"888"', '"66"', '"1660"', '"rw"', "432", '""'):
            with self.assertRaises(ConfigError) as caught:
                self.load(f"socket_mode = {wrong}" + SERVICE)
            self.assertIn("socket_mode", str(caught.exception))


class ErrorTests(ConfigTestCase):
    """Invalid files."""

    def test_unknown_keys(self) -> None:
        """An unknown key is named, with a similar one."""
        for text, words in (
            ("sockets = 1" + SERVICE, "sockets is unknown"),
            ("socketdir = 'x'" + SERVICE, "socketdir is unknown (did you mean 'socket_dir'?)"),
            ("[limit]" + SERVICE, "limit is unknown (did you mean 'limits'?)"),
            (
                "[limits]\nrequesttimeout = 3" + SERVICE,
                "limits.requesttimeout is unknown (did you mean 'request_t",
            ),
            ("[security]\ntokens = 'off'" + SERVICE, "security.tokens is unknown (did you mean 'token'?)"),
            (
                "[control]\nuids = []" + SERVICE,
                "control.uids is unknown (did you mean 'read_uids'?)",
            ),
            ("[log]\nlvl = 'info'" + SERVICE, "log.lvl is unknown (did you mean 'level'?)"),
            (SERVICE + "worker = 3", "services.home.worker is unknown (did you mean 'workers'?)"),
            (SERVICE + "zzz = 3", "services.home.zzz is unknown"),
            ("[http]\nlisen = []" + SERVICE, "http.lisen is unknown (did you mean 'listen'?)"),
            ("[http.cors]\norigin = []" + SERVICE, "http.cors.origin is unknown (did you mean 'origins'?)"),
            ('"a\\nb" = 1' + SERVICE, "a b is unknown"),
        ):
            self.assert_refused(text, words)

    def test_wrong_types(self) -> None:
        """A value of a wrong type or out of bounds is named, with the expected type."""
        for text, words in (
            ("socket_dir = 1" + SERVICE, "socket_dir expected `str"),
            ("limits = 3" + SERVICE, "limits expected `object`, got `int`"),
            ("[limits]\nrequest_timeout = 0" + SERVICE, "limits.request_timeout expected `float` > 0.0"),
            (
                "[limits]\nrequest_timeout = '3'" + SERVICE,
                "limits.request_timeout expected `float`, got `str`",
            ),
            ("[limits]\nbacklog = true" + SERVICE, "limits.backlog expected `int`, got `bool`"),
            ("[limits]\nbacklog = 0" + SERVICE, "limits.backlog expected `int` >= 1"),
            ("[limits]\nmax_message_bytes = 63" + SERVICE, "limits.max_message_bytes expected `int` >= 64"),
            (
                '[log.loggers]\n"shop.db" = "loud"' + SERVICE,
                "log.loggers.shop.db has the invalid value 'loud': use 'debug', 'info', 'warn' or 'error'",
            ),
            ("[log]\nloggers = 3" + SERVICE, "log.loggers expected `object`, got `int`"),
            (
                "[log.loggers]\nroot = 'info'" + SERVICE,
                "log.loggers: 'root' stands for all loggers; set log",
            ),
            ("[log.loggers]\n'' = 'info'" + SERVICE, "log.loggers: '' stands for all loggers"),
            (
                "[security]\ntoken = 'on'" + SERVICE,
                "security.token has the invalid value 'on': use 'required', 'private'",
            ),
            (
                "[security]\nallow_uids = [0, 'x']" + SERVICE,
                "security.allow_uids[1] expected `int`, got `str`",
            ),
            (
                "[control]\nallow_uids = [1.5]" + SERVICE,
                "control.allow_uids[0] expected `int | str`, got `float`",
            ),
            ("[control]\nread_gids = [-1]" + SERVICE, "control.read_gids[0] expected `int` >= 0"),
            ("[control]\nread_uids = 'root'" + SERVICE, "control.read_uids expected `array`, got `str`"),
            ("services = []", "services expected `object`, got `array`"),
            ("services = { home = 3 }", "services.home expected `object`, got `int`"),
            ("[services.home]", "services.home.app is required"),
            (SERVICE + "workers = 0", "services.home.workers expected `int` >= 1"),
            (
                SERVICE + "workers = 'many'",
                "services.home.workers has the invalid value 'many': use a number or 'auto'",
            ),
            (SERVICE + "environment = { A = 1 }", "services.home.environment.A expected `str`, got `int`"),
            (SERVICE + "drain_delay = -1", "services.home.drain_delay expected `float` >= 0.0"),
            (SERVICE + "drain_timeout = -1", "services.home.drain_timeout expected `float` > 0.0"),
            (SERVICE + "depends_on = 'user'", "services.home.depends_on expected `array`, got `str`"),
            (SERVICE + "rlimits = 5", "services.home.rlimits expected `object`, got `int`"),
            (SERVICE + "backlog = 'x'", "services.home.backlog expected `int | null`, got `str`"),
        ):
            self.assert_refused(text, words)

    def test_too_large(self) -> None:
        """Durations and counts that the kernel cannot represent are refused."""
        for value in ("inf", "nan", "1e300", "-inf"):
            self.assert_refused(f"[limits]\nrequest_timeout = {value}" + SERVICE, "limits.request_timeout")
            self.assert_refused(SERVICE + f"boot_timeout = {value}", "services.home.boot_timeout")
        for value in ("99999999999999999999", "2147483648"):
            self.assert_refused(f"[limits]\nbacklog = {value}" + SERVICE, "limits.backlog")
        self.assert_refused(
            "[limits]\nidle_timeout = 1000001" + SERVICE, "limits.idle_timeout expected `float` <="
        )
        self.load("[limits]\nbacklog = 2147483647\nidle_timeout = 1e6" + SERVICE)

    def test_all_at_once(self) -> None:
        """All errors are in one line."""
        text = "sockets = 1\n[limits]\nbacklog = 0" + SERVICE + "worker = 3\n[services.user]"
        self.assert_refused(
            text, "sockets is", "limits.backlog exp", "home.worker is", "services.user.app is required"
        )

    def test_no_service(self) -> None:
        """A file without services is refused."""
        for text in ("", "[services]", "socket_dir = 'x'"):
            self.assert_refused(text, "no service is configured", "[services.NAME]")

    def test_service_names(self) -> None:
        """A service name is part of a path, so its characters are limited; one name is reserved."""
        for name in ("Home", "1st", "a.b", "a/b", "..", "", "é", "a b", "-a", "x" * 64, "orchestrator"):
            self.assert_refused(
                f'[services."{name}"]\napp = "a:b"', f"services.{name}: is not a valid service name"
            )
        for name in ("h", "home-2", "a_b", "x" * 63):
            self.assertEqual(list(self.load(f'[services."{name}"]\napp = "a:b"').services), [name])

    def test_invalid_toml(self) -> None:
        """A file that is not valid TOML is refused, with the line."""
        self.assert_refused("socket_dir = ", "not valid TOML: Invalid value (at end of document)")
        self.assert_refused(SERVICE + SERVICE, "not valid TOML", "line 5")
        self.assert_refused("a = '\n'" + SERVICE, "not valid TOML", "line 1")
        self.assert_refused(b"a = '\xff'", "cannot be read")
        self.assert_refused("a = " + "[" * 5_000, "is nested too deeply")

    def test_no_file(self) -> None:
        """A file that does not exist or cannot be read is named."""
        for path, words in ((f"{self.folder}/x.toml", "no such file"), (self.folder, "cannot be read")):
            with self.assertRaises(ConfigError) as caught:
                load_settings(path)
            self.assertTrue(str(caught.exception).startswith(f"{path}: {words}"))

    def test_no_python_values(self) -> None:
        """An error has no traceback and no Python repr."""
        path = self.write("[limits]\nbacklog = 'x'" + SERVICE)
        with self.assertRaises(ConfigError) as caught:
            load_settings(path)
        self.assertEqual(str(caught.exception), f"{path}: limits.backlog expected `int`, got `str`")
