"""Several files, references and environment variables together, as the loader reads them."""

from __future__ import annotations

import os

from tests.unit.config.test_settings import SERVICE, ConfigTestCase
from unixsvc.config.loader import find_socket_dir, load_client_settings, load_configuration, load_settings
from unixsvc.config.sources.references import UnresolvedReference
from unixsvc.errors import ConfigError


class OverlayTests(ConfigTestCase):
    def setUp(self) -> None:
        """Be in the folder, without variables of the configuration."""
        super().setUp()
        for name in [name for name in os.environ if name.startswith("UNIXSVC_")]:
            self.set_environment(name, None)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)

    def refused(self, *files: str) -> str:
        """The message of files that are refused."""
        message = str(self.assertRaises(ConfigError, load_settings, files))
        self.assertEqual(len(message.splitlines()), 1)
        return message

    def test_files(self) -> None:
        """Later files override the earlier ones; paths are relative to the folder of the first."""
        self.write('token_file = "a"\n[limits]\nbacklog = 5\nmax_inflight = 6' + SERVICE, "base/a.toml")
        self.write('socket_dir = "run"\nlimits.backlog = 7\n[services.home]\nworkers = 3', "over/b.toml")
        settings = load_settings(["base/a.toml", "over/b.toml"])
        self.assertEqual((settings.limits.backlog, settings.limits.max_inflight), (7, 6))
        self.assertEqual((settings.services["home"].app, settings.services["home"].workers), ("home:app", 3))
        base = f"{self.folder}/base"
        self.assertEqual((settings.folder, settings.socket_dir), (base, f"{base}/run"))
        self.assertEqual(settings.token_file, f"{base}/a")
        files = (f"{self.folder}/base/a.toml", f"{self.folder}/over/b.toml")
        self.assertEqual((settings.files, settings.source), (files, ", ".join(files)))
        self.assertEqual(find_socket_dir(["base/a.toml", "over/b.toml"]), f"{base}/run")
        self.assertEqual(find_socket_dir(["over/b.toml", "base/a.toml"]), f"{self.folder}/over/run")

    def test_which_file(self) -> None:
        """A message names the file that has the key."""
        self.write(SERVICE, "a.toml")
        for text, words in (
            ("limits.backlog = 'x'", "b.toml: limits.backlog expected `int`, got `str`"),
            ("services.home.depends_on = ['x']", "b.toml: services.home.depends_on: there is no service 'x'"),
            (
                "services.home.app = '${NONE_SUCH}'",
                "b.toml: services.home.app: the environment variable NONE_",
            ),
            ("http.docs = true", "b.toml: http: has neither an app nor mounts"),
            ('services.home.user = "\\u0000"', "b.toml: services.home.user: contains a NUL"),
            ("services.X.app = 'a:b'", "b.toml: services.X: is not a valid service name"),
            ("a = ", "b.toml: not valid TOML"),
        ):
            self.write(text, "b.toml")
            self.assertTrue(self.refused("a.toml", "b.toml").startswith(f"{self.folder}/{words}"), text)
        self.assertTrue(self.refused("a.toml", "c.toml").startswith(f"{self.folder}/c.toml: no such file"))

    def test_variables(self) -> None:
        """Environment variables override the files, and options of the command line override those."""
        path = self.write('socket_dir = "run"\n[http]\napp = "x:y"\nlisten = ["tcp:1"]' + SERVICE)
        for name, text in (
            ("SERVICES__HOME__WORKERS", "4"),
            ("SOCKET_DIR", "/run/b"),
            ("HTTP__LISTEN", '["tcp:2"]'),
        ):
            self.set_environment(f"UNIXSVC_{name}", text)
        settings = load_settings(path)
        self.assertEqual((settings.services["home"].workers, settings.socket_dir), (4, "/run/b"))
        self.assertEqual(settings.gateways["http"].listen, ("tcp:2",))
        self.assertEqual(find_socket_dir(path), "/run/b")
        settings = load_settings(path, socket_dir="c", http=("tcp:3",))
        self.assertEqual(settings.socket_dir, f"{self.folder}/c")
        self.assertEqual(settings.gateways["http"].listen, ("tcp:3",))

    def test_demo(self) -> None:
        """Environment variables also override the demo."""
        self.set_environment("UNIXSVC_SERVICES__HOME__WORKERS", "5")
        settings = load_settings()
        self.assertEqual((settings.source, settings.files), ("the demo", ()))
        self.assertEqual(settings.services["home"].workers, 5)
        self.set_environment("UNIXSVC_SERVICES__HOME__WORKERS", "none")
        error = self.assertRaises(ConfigError, load_settings)
        self.assertTrue(str(error).startswith("the environment variable UNIXSVC_SERVICES__HOME__WORKERS: "))

    def test_secrets(self) -> None:
        """Files are relative to the first file; credentials are those of systemd."""
        self.write("hunter2\n", "base/secret")
        self.write("geheim", "credentials/db")
        self.write('services.home.app = "a:b"', "base/a.toml")
        self.write(
            'services.home.options = { a = "${file:secret}", b = "x ${credential:db}" }', "over/b.toml"
        )
        self.set_environment("CREDENTIALS_DIRECTORY", f"{self.folder}/credentials")
        settings = load_settings(["base/a.toml", "over/b.toml"])
        self.assertEqual(settings.services["home"].options, {"a": "hunter2", "b": "x geheim"})

    def test_unreadable_secrets(self) -> None:
        """A secret that cannot be read is an error with its path, the key, and what to do."""
        os.mkfifo(f"{self.folder}/fifo")
        self.write("x" * 65_537, "large")
        self.write(b"\xff", "bytes")
        self.set_environment("CREDENTIALS_DIRECTORY", None)
        for reference, words in (
            ("file:none", "/none cannot be read: No such file or directory; check the path"),
            ("file:fifo", "/fifo is not a regular file"),
            ("file:/", "/ cannot be read: Is a directory"),
            ("file:large", "/large is larger than 65536 bytes"),
            ("file:bytes", "/bytes is not valid UTF-8"),
            (
                "credential:db",
                "there are no credentials of systemd; add LoadCredential=db:PATH to the unit, and",
            ),
        ):
            path = self.write(f'services.home.app = "${{{reference}}}"')
            message = self.refused(path)
            self.assertTrue(message.startswith(f"{path}: services.home.app: ${{{reference}}}: "), message)
            self.assertIn(words, message)
        self.set_environment("CREDENTIALS_DIRECTORY", self.folder)
        path = self.write('services.home.app = "${credential:../x}"')
        self.assertIn("is not the name of a credential", self.refused(path))

    def test_not_quoted(self) -> None:
        """A wrong value of a reference is not shown, as it may be a secret; one in the file is."""
        self.write("hunter2", "secret")
        path = self.write('security.token = "${file:secret}"\nlog.level = "loud"' + SERVICE)
        message = self.refused(path)
        self.assertIn(
            "security.token has an invalid value: use 'required', 'private' or 'off'; log.level has the "
            "invalid value 'loud'",
            message,
        )
        self.assertNotIn("hunter2", message)

    def test_client(self) -> None:
        """A client reads the keys that it needs; the others may have values for the orchestrator alone."""
        text = 'socket_dir = "${NONE_SUCH:-run}"\nsecurity.token = "private"\n'
        path = self.write(text + 'services.home.app = "${NONE_SUCH}"\nservices.home.wrong = 1\n')
        self.assertRaises(UnresolvedReference, load_settings, path)
        settings = load_client_settings(path)
        self.assertEqual(settings.socket_dir, f"{self.folder}/run")
        self.assertEqual(settings.token_file, f"{self.folder}/.auth_token")
        self.assertEqual(settings.security.token, "private")
        self.write('socketdir = "x"')
        error = self.assertRaises(ConfigError, load_client_settings, path)
        self.assertIn("socketdir is unknown (did you mean 'socket_dir'?)", str(error))
        self.write('socket_dir = "${NONE_SUCH}"')
        message = str(self.assertRaises(ConfigError, load_client_settings, path))
        self.assertIn(f"{path}: socket_dir: the environment variable NONE_SUCH is not set", message)

    def test_client_variables(self) -> None:
        """A client takes variables for its keys, unless the program names the configuration."""
        path = self.write('socket_dir = "run"')
        for name, text in (("SOCKET_DIR", "/run/x"), ("SECURITY__TOKEN", "off"), ("LIMITS__WRONG", "1")):
            self.set_environment(f"UNIXSVC_{name}", text)
        settings = load_client_settings()
        self.assertEqual((settings.socket_dir, settings.security.token), ("/run/x", "off"))
        settings = load_client_settings(path, variables=False)
        self.assertEqual((settings.socket_dir, settings.security.token), (f"{self.folder}/run", "required"))

    def test_damaged(self) -> None:
        """The socket directory is found in the last file that has it, also if the files are damaged."""
        self.write('socket_dir = "one"\n[limits', "a.toml")
        self.write("nonsense\n[services]", "b.toml")
        self.assertEqual(find_socket_dir(["a.toml", "b.toml"]), f"{self.folder}/one")
        self.write('socket_dir = "two"\nx = "${NONE_SUCH}"\n', "b.toml")
        self.assertEqual(find_socket_dir(["a.toml", "b.toml"]), f"{self.folder}/two")
        self.write("socket_dir = 3", "b.toml")
        error = self.assertRaises(ConfigError, find_socket_dir, ["a.toml", "b.toml"])
        self.assertIn("b.toml: socket_dir: is not a string; correct it, or give --socket-dir", str(error))


class DevelopmentTests(ConfigTestCase):
    def setUp(self) -> None:
        """Write a configuration with a table ``[dev]``."""
        super().setUp()
        self.first = self.write(
            'services.home.app = "home:app"\nservices.home.workers = 4\n'
            'log.level = "warn"\n[dev.services.home]\nworkers = 1\n',
            "a.toml",
        )

    def test_overrides(self) -> None:
        """It overrides all files during development, and environment variables override it."""
        second = self.write("services.home.workers = 3\ndev.log.level = '${NONE_SUCH:-debug}'", "b.toml")
        files = (self.first, second)
        settings = load_settings(files, development=True)
        self.assertEqual((settings.services["home"].workers, settings.log.level), (1, "debug"))
        self.set_environment("UNIXSVC_SERVICES__HOME__WORKERS", "7")
        self.assertEqual(load_settings(files, development=True).services["home"].workers, 7)

    def test_ignored(self) -> None:
        """It does not count otherwise, with whatever mistakes."""
        second = self.write("dev.wrong = '${NONE_SUCH}'", "b.toml")
        settings = load_settings((self.first, second))
        self.assertEqual((settings.services["home"].workers, settings.log.level), (4, "warn"))
        load_client_settings((self.first, second))

    def test_place(self) -> None:
        """A value from it is shown with its line."""
        found = load_configuration(self.first, development=True)
        layer = found.layers.source_of("services.home.workers")
        self.assertEqual(layer.place_of("services.home.workers"), f"{self.first}:5")

    def test_refused(self) -> None:
        """A mistake in it is an error that names the key with the table."""
        for text, words in (
            ("dev = 1", "dev: is not a table; write [dev.log], for example"),
            ("dev.socket_dir = 'run'", "dev.socket_dir: cannot be overridden here, as clients read it"),
            ("dev.security.token = 'off'", "dev.security: cannot be overridden here"),
            ("dev.dev.log = {}", "dev.dev is unknown"),
            ("dev.limits.backlgo = 1", "dev.limits.backlgo is unknown (did you mean 'backlog'?)"),
            ("dev.log.level = '${NONE_SUCH}'", "dev.log.level: the environment variable NONE_SUCH"),
            ("dev.services.home.user = '\\u0000'", "dev.services.home.user: contains a NUL"),
            ("dev.services.home.depends_on = ['x']", "dev.services.home.depends_on: there is no service"),
        ):
            second = self.write(text.replace("'\\u0000'", '"\\u0000"'), "b.toml")
            error = self.assertRaises(ConfigError, load_settings, (self.first, second), development=True)
            self.assertTrue(str(error).startswith(f"{second}: {words}"), str(error))
