"""``unixsvc check``."""

from __future__ import annotations

import json
import os
import sys
import tomllib

from tests.unit.cli.command_runner import TOKEN, CommandTestCase
from tests.unit.support.certificates import write_certificate
from tests.unit.support.hidden_module import hide_module


class Check(CommandTestCase):
    def setUp(self) -> None:
        """Remove imported modules afterwards."""
        super().setUp()
        before = set(sys.modules)

        def forget() -> None:
            for name in set(sys.modules) - before:
                if getattr(sys.modules[name], "__file__", None) and name.startswith("checked_"):
                    del sys.modules[name]

        self.addCleanup(forget)

    def app(self, name: str, *lines: str) -> None:
        """Write a module ``checked_<name>`` next to the configuration."""
        self.write(f"checked_{name}.py", "\n".join(["from unixsvc import App, GET", *lines]))

    def check(self, *services: str) -> None:
        """Configure services with these modules."""
        self.configure(
            'socket_dir = "."', *(f'[services.{name}]\napp = "checked_{name}:app"' for name in services)
        )

    def test_fine(self) -> None:
        """Each valid service is reported with the number of its routes."""
        self.configure(
            "[services.home]", 'app = "unix_app.home:app"', "[services.user]", 'app = "unix_app.user:app"'
        )
        outcome = self.run_command("check")
        self.assertEqual(outcome.out, "home: fine, 1 route\nuser: fine, 6 routes\n")
        self.assertEqual((outcome.code, outcome.err), (0, ""))

    def test_mounts(self) -> None:
        """Mounts are counted, of the application and of the gateway; routes only if there are any."""
        self.app("bare", "app = App([], mounts={'/a': 'home'})")
        self.app("full", "def show() -> int: return 0", "app = App([GET('/', show)], mounts={'/a': 'home'})")
        home = ["[services.home]", 'app = "unix_app.home:app"', "[http]", 'listen = ["unix:web.sock"]']
        for app, mounts, expected in (
            ("bare", "{}", "1 mount"),
            ("bare", '{ "/b" = "home" }', "2 mounts"),
            ("full", "{}", "1 route, 1 mount"),
        ):
            self.configure('socket_dir = "."', *home, f'app = "checked_{app}:app"', f"mounts = {mounts}")
            outcome = self.run_command("check")
            self.assertEqual(outcome.out, f"home: fine, 1 route\nhttp: fine, {expected}\n", outcome.err)

    def test_certificates(self) -> None:
        """Certificates that cannot be used are a warning: those of production may be on another machine."""
        write_certificate(self.folder)
        self.app("web", "app = App([])")
        for key, words in (
            ("key.pem", ()),
            ("none.pem", ("warning: ", "none.pem: cannot be used for https://")),
        ):
            endpoint = f"ssl:443:privateKey={key}:certKey=certificate.pem"
            self.configure("[http.api]", 'app = "checked_web:app"', f'listen = ["{endpoint}"]')
            outcome = self.run_command("check")
            self.assertEqual((outcome.code, outcome.out), (0, "http-api: fine, 0 routes\n"))
            self.assertEqual(outcome.err.count("\n"), bool(words))
            for each in words:
                self.assertIn(each, outcome.err)

    def test_schedules(self) -> None:
        """Schedules are counted, and their jobs checked."""
        job = (
            "from unixsvc import every",
            "def job(at: int = 1) -> None: pass",
            "def wrong(at: int) -> None: pass",
        )
        self.app("good", *job, "app = App([], schedules=[every('5m', job)])")
        self.app("bad", *job, "app = App([], schedules=[every('5m', wrong)])")
        self.check("good", "bad")
        outcome = self.run_command("check")
        self.assertEqual(outcome.out, "good: fine, 1 schedule\n")
        self.assertIn("services.bad: schedule 'wrong': nothing is registered for 'at'", outcome.err)

    def test_unknown_user(self) -> None:
        """An unknown user of the control API is a problem; the services are checked nevertheless."""
        self.configure(
            "[control]",
            'read_uids = ["root", "no-such-user"]',
            "[services.home]",
            'app = "unix_app.home:app"',
        )
        outcome = self.run_command("check")
        self.assertEqual((outcome.code, outcome.out), (2, "home: fine, 1 route\n"))
        self.assertIn("control.read_uids: there is no user 'no-such-user'", outcome.err)
        self.assertEqual(outcome.err.count("\n"), 1)

    def test_asks_others(self) -> None:
        """A controller can depend on ``IServices``, as in a worker."""
        self.app(
            "asks",
            "from unixsvc import Group, IServices",
            "class Asks:",
            "    def __init__(self, services: IServices) -> None: ...",
            "    async def show(self) -> int: ...",
            "app = App(routes=[Group('/x', Asks, [GET('', Asks.show)])])",
        )
        self.check("asks")
        self.assertEqual(self.run_command("check").out, "asks: fine, 1 route\n")

    def test_interceptors(self) -> None:
        """Interceptors are checked and made, as in a worker."""
        around = (
            "class Around:",
            "    def __init__(self, what: dict) -> None: ...",
            "    def __call__(self, c, p): ...",
        )
        for name, lines, words in (
            (
                "text",
                ["app = App([], interceptors=['audit'])"],
                "interceptors: has a str, which cannot be called",
            ),
            ("made", [*around, "app = App([], interceptors=[Around])"], "nothing is registered for 'what'"),
        ):
            self.app(name, *lines)
            self.check(name)
            outcome = self.run_command("check")
            self.assertEqual((outcome.code, outcome.err.count("\n")), (2, 1))
            self.assertIn(words, outcome.err)

    def test_websockets(self) -> None:
        """The gateway needs the package for WebSockets, and a service that it mounts does not."""
        chat = (
            "from unixsvc import Group, WEBSOCKET, WebSocket",
            "async def f(s: WebSocket[str, str]) -> None: ...",
        )
        self.app("chat", *chat, "app = App([Group('/chat', None, [WEBSOCKET('/all', f)])])")
        hide_module(self, "websockets")
        self.check("chat")
        self.assertEqual(self.run_command("check").out, "chat: fine, 1 route\n")
        self.configure("[http]", 'listen = ["unix:web.sock"]', 'app = "checked_chat:app"')
        outcome = self.run_command("check")
        self.assertIn("WEBSOCKET /chat/all: needs the package websockets; pip install", outcome.err)

    def test_leaves_no_trace(self) -> None:
        """It creates no sockets and databases, and restores the import path."""
        self.configure("[services.user]", 'app = "unix_app.user:app"')
        files, path = sorted(os.listdir(self.folder)), list(sys.path)
        self.assertEqual(self.run_command("check").code, 0)
        self.assertEqual((sorted(os.listdir(self.folder)), sys.path), (files, path))

    def test_file(self) -> None:
        """The file may be given without ``--config``."""
        other = self.write("other.toml", '[services.other]\napp = "unix_app.home:app"')
        self.assertEqual(self.run_command("check", other).out, "other: fine, 1 route\n")

    def test_beside_the_configuration(self) -> None:
        """Modules next to the configuration are imported, with the environment of the service."""
        self.app("env", "import os", "app = App(routes=[], title=os.environ['CHECKED'])")
        self.configure("[services.env]", 'app = "checked_env:app"', 'environment = { CHECKED = "yes" }')
        self.assertEqual(self.run_command("check").out, "env: fine, 0 routes\n")
        self.assertNotIn("CHECKED", os.environ)

    def test_import_path(self) -> None:
        """What ``environment`` says of the import path counts, as in a worker."""
        os.mkdir(os.path.join(self.folder, "lib"))
        self.write("lib/checked_elsewhere.py", "from unixsvc import App\napp = App([])")
        path = os.path.join(self.folder, "lib")
        self.configure(
            "[services.env]", 'app = "checked_elsewhere:app"', f'environment = {{ PYTHONPATH = "{path}" }}'
        )
        self.assertEqual(self.run_command("check").out, "env: fine, 0 routes\n")

    def test_interpreter(self) -> None:
        """A warning tells that workers have another environment; one that does not exist is a problem."""
        os.makedirs(os.path.join(self.folder, "venv", "bin"))
        os.chmod(self.write("venv/bin/python"), 0o755)
        home = "[services.home]", 'app = "unix_app.home:app"'
        self.configure('python = "venv/bin/python"', *home)
        outcome = self.run_command("check")
        self.assertEqual((outcome.code, outcome.out), (0, "home: fine, 1 route\n"))
        environment = os.path.realpath(os.path.join(self.folder, "venv"))
        self.assertIn(f"warning: workers run in {environment}, not here; use {environment}/bin", outcome.err)
        self.configure('python = "none/bin/python"', *home)
        outcome = self.run_command("check")
        self.assertEqual((outcome.code, outcome.err.count("\n")), (2, 1))
        self.assertIn("none/bin/python is no program", outcome.err)

    def test_hidden_modules(self) -> None:
        """A module with the name of one of Python's is a warning."""
        self.app("good", "app = App([])")
        self.write("calendar.py", "app = None")
        self.check("good")
        outcome = self.run_command("check")
        self.assertEqual((outcome.code, outcome.out), (0, "good: fine, 0 routes\n"))
        warning = "calendar.py: the module 'calendar' of Python's standard library is imported instead"
        self.assertIn(warning, outcome.err)
        self.configure("[services.shop]", 'app = "calendar:app"')
        outcome = self.run_command("check")
        self.assertEqual(outcome.code, 2)
        self.assertIn("calendar has no 'app'; the module is /", outcome.err)

    def test_unreadable_package(self) -> None:
        """A folder without readable ``__init__.py`` is a module for Python; the error says so."""
        self.configure('socket_dir = "."', '[services.home]\napp = "checked_folder:app"')
        folder = os.path.join(self.folder, "checked_folder")
        os.mkdir(folder)
        outcome = self.run_command("check")
        self.assertIn(f"the folder {folder}, which has no __init__.py that", outcome.err)

    def test_all_problems(self) -> None:
        """An invalid service does not prevent the check of the others."""
        self.app("good", "app = App(routes=[])")
        self.app("untyped", "def index(x): ...", "app = App(routes=[GET('/', index)])")
        self.app("broken", "1 / 0")
        self.app("syntax", "def")
        self.app("leaving", "raise SystemExit(3)")
        self.app("lines", "raise ValueError('two\\nlines')")
        self.check("untyped", "broken", "syntax", "absent", "good", "leaving", "lines")
        outcome = self.run_command("check")
        self.assertEqual((outcome.code, outcome.out), (2, "good: fine, 0 routes\n"))
        expected = [
            ("services.untyped: GET /: ", "annotation"),
            ("services.broken: ", "checked_broken.py:2: ZeroDivisionError: division by zero"),
            ("services.syntax: ", "checked_syntax.py:2: SyntaxError: invalid syntax"),
            ("services.absent: checked_absent:app: ", "no module 'checked_absent'"),
            ("services.leaving: ", "checked_leaving.py:2: SystemExit: 3"),
            ("services.lines: ", "checked_lines.py:2: ValueError: two lines"),
        ]
        lines = outcome.err.splitlines()
        self.assertEqual(len(lines), len(expected))
        for line, words in zip(lines, expected, strict=True):
            for word in (self.config, *words):
                self.assertIn(word, line)

    def test_handler(self) -> None:
        """A missing request handler is a problem of its service."""
        self.configure("[services.home]", 'app = "unix_app.home:app"', 'handler = "unixsvc.nowhere:Handler"')
        self.assertError(self.run_command("check"), 2, "services.home: ", "unixsvc.nowhere")

    def test_options(self) -> None:
        """An error of an application's container is a problem of its service."""
        self.configure("[services.user]", 'app = "unix_app.user:app"', "options = { databse = 'x' }")
        self.assertError(self.run_command("check"), 2, "services.user", "databse")

    def test_pings(self) -> None:
        """Health checks do not run, as what a service needs may not be available yet."""
        self.app(
            "ill",
            "def ping(number): raise OSError('not there')",
            "def container(registry, context): registry.register_value(int, 7, ping=ping)",
            "app = App(routes=[], container=container)",
        )
        self.check("ill")
        outcome = self.run_command("check")
        self.assertEqual((outcome.code, outcome.out, outcome.err), (0, "ill: fine, 0 routes\n", ""))

    def test_dependencies(self) -> None:
        """Cyclic and unknown dependencies are errors."""
        home = ["[services.home]", 'app = "unix_app.home:app"']
        self.configure(*home, 'depends_on = ["mail"]')
        self.assertError(self.run_command("check"), 2, "services.home.depends_on", "no service 'mail'")
        self.configure(*home, 'depends_on = ["home"]')
        self.assertError(self.run_command("check"), 2, "depend on each other: home -> home")

    def test_long_path(self) -> None:
        """A socket path that is too long is an error: of the orchestrator, of a service, or of HTTP."""
        home = ["[services.home]", 'app = "unix_app.home:app"']
        for length in 107 - len("/service_orchestrator.sock") + 1, 100:
            self.configure(f'socket_dir = "/{"x" * (length - 1)}"', *home)
            outcome = self.run_command("check")
            self.assertEqual((outcome.code, outcome.err.count("\n")), (2, 1))
            self.assertIn("x/service_orchestrator.sock: is", outcome.err)
            self.assertIn("at most 107; choose a shorter socket_dir", outcome.err)
        self.configure(f'socket_dir = "/{"x" * 50}"', f"[services.{'y' * 60}]", *home[1:])
        self.assertIn("yyy.sock: is", self.run_command("check").err)
        self.configure(*home, "[http]", 'app = "rest_app:app"', f'listen = ["unix:/{"x" * 107}"]')
        self.assertError(self.run_command("check"), 2, "http.listen: /xxx", "is 108 bytes long")

    def test_overlays(self) -> None:
        """Several files are checked as one configuration; a problem names the file that has the table."""
        over = self.write("over.toml", '[services.other]\napp = "checked_absent:app"')
        outcome = self.run_command("check", self.config, over)
        self.assertEqual((outcome.code, outcome.out), (2, "home: fine, 1 route\n"))
        self.assertIn(f"unixsvc: {over}: services.other: checked_absent:app", outcome.err)
        self.assertEqual(self.run_command("check", "--config", over), outcome)  # after the first --config

    def test_show(self) -> None:
        """``--show`` prints the configuration with the origins of its values, and imports nothing."""
        self.configure("[services.home]", 'app = "checked_absent:app"', "options = { password = 'hunter2' }")
        outcome = self.run_command("check", "--show", "--socket-dir", "run")
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        self.assertRegex(outcome.out, r'\Asocket_dir = "/.*/run"  # --socket-dir\n')
        self.assertIn(f'app = "checked_absent:app"  # {self.config}:2\n', outcome.out)
        self.assertIn(f'password = "***"  # {self.config}:3\n', outcome.out)
        self.assertNotIn("hunter2", outcome.out)
        tomllib.loads(outcome.out)

    def test_show_token(self) -> None:
        """It says where the shared token is from if that is not the file."""
        self.patch(os, "environ", os.environ | {"UNIXSVC_TOKEN": TOKEN})
        outcome = self.run_command("check", "--show")
        line = "# The shared token is from the environment variable UNIXSVC_TOKEN; token_file is not read.\n"
        self.assertTrue(outcome.out.startswith(line), outcome.out)
        self.assertNotIn(TOKEN, outcome.out)

    def test_show_wrong(self) -> None:
        """A wrong configuration is the same error as without it."""
        self.configure("[services.home]", 'app = "a:b"', "worker = 3")
        self.assertError(self.run_command("check", "--show"), 2, "services.home.worker is unknown")

    def test_schema(self) -> None:
        """``unixsvc schema`` prints the JSON Schema, without a configuration."""
        self.config = ""
        outcome = self.run_command("schema")
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        self.assertEqual(json.loads(outcome.out)["title"], "unixsvc.toml")

    def test_unset_reference(self) -> None:
        """The check needs the variables of the orchestrator; commands that call services do not."""
        self.configure(
            'socket_dir = "."', "[services.home]", 'app = "unix_app.home:app"', "user = '${NONE_SUCH}'"
        )
        self.assertError(
            self.run_command("check"), 2, "services.home.user: the environment variable NONE_SUCH is not set"
        )
        self.assertEqual(self.run_command("call", "home", "/").code, 0)
        self.assertEqual(self.run_command("ls").code, 0)

    def test_development(self) -> None:
        """A mistake in the table ``[dev]`` is found; with ``--dev`` the table counts."""
        home = ("[services.home]", 'app = "unix_app.home:app"', "workers = 4")
        self.configure(*home, "[dev.services.home]", "worker = 1")
        outcome = self.run_command("check")
        self.assertEqual(outcome.code, 2)
        self.assertIn("dev.services.home.worker is unknown (did you mean 'workers'?)", outcome.err)
        self.configure(*home, "[dev.services.home]", "workers = 1", "[dev.log]", 'file = "${NONE_SUCH}"')
        self.assertEqual(self.run_command("check").out, "home: fine, 1 route\n")
        self.configure(*home, "[dev.services.home]", "workers = 1")
        self.assertIn("/unixsvc.toml:5\n", self.run_command("check", "--dev", "--show").out)
        self.assertIn("/unixsvc.toml:3\n", self.run_command("check", "--show").out)
