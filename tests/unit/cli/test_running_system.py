"""Commands on a system that runs, whatever its configuration file says meanwhile."""

from __future__ import annotations

import os

from tests.unit.cli.command_runner import TOKEN, CommandTestCase, failure, success

OTHER = "cd" * 32


class BrokenFileTests(CommandTestCase):
    """The configuration is wrong, or gone, while services run."""

    def setUp(self) -> None:
        """Add the orchestrator, which knows another token than the file has."""
        super().setUp()
        self.write("service_orchestrator.sock")
        self.access = success({"token": OTHER, "request_timeout": 7.0})

    def assert_works(self, *options: str) -> None:
        """Every kind of command works, and sends the token of the orchestrator's reply."""
        self.answer = success({})
        for words in (["status"], ["log-level", "debug"], ["reload"], ["scale", "home", "2"]):
            self.calls.clear()
            self.assertEqual(self.run_command(*words, *options).err, "", words)
            [call] = self.calls
            self.assertEqual((os.path.basename(call.path), call.token), ("service_orchestrator.sock", None))
        for words in (["call", "home", "/"], ["call", "user", "/"]):
            self.calls.clear()
            self.assertEqual(self.run_command(*words, *options).err, "", words)
            self.assertEqual((self.calls[-1].token, self.calls[-1].timeout), (OTHER, 7.0))
        self.assertEqual(self.run_command("token", "show", *options).out, OTHER + "\n")
        self.answer = failure(404)
        self.assertIn("404", self.run_command("routes", "home", *options).err)

    def test_socket_dir(self) -> None:
        """With the socket directory nothing else is needed."""
        for text in ("nonsense", "[servces.home]", 'socket_dir = "/elsewhere"'):
            self.configure(text)
            self.assert_works("--socket-dir", self.folder)
        os.unlink(os.path.join(self.folder, ".auth_token"))
        os.unlink(self.config)
        self.assert_works("--socket-dir", self.folder)

    def test_other_keys(self) -> None:
        """The socket directory of the file is found also if the rest of it is wrong."""
        for text in (
            'socket_dir = "."\n[servces.home]', "socket_dir = '.'\n[services.home\napp = 7",
            f'token = \n socket_dir="{self.folder}" # here\n', '\ufeffsocket_dir = "."\nx',
            'socket_dir = "."\n[services.home]\napp = 7',
        ):  # fmt: skip
            self.configure(text)
            self.assert_works()

    def test_long_directory(self) -> None:
        """A directory whose path is too long for sockets is an error, and not one without services."""
        folder = os.path.join(self.folder, "x" * 100)
        os.mkdir(folder)
        for words in (["call", "home", "/"], ["status"], ["ls"], ["reload"]):
            outcome = self.run_command(*words, "--socket-dir", folder)
            self.assertError(outcome, 2, f"{folder}/service_orchestrator.sock: is", "at most 107")
        self.assertEqual(self.calls, [])

    def test_not_found(self) -> None:
        """If the file has no usable socket directory any more, the error says what to do."""
        for text in ("socket_dir = \n", "socket_dir = [\n", 'socket_dir = "a\\"b"\nx', "socket_dir = 7"):
            self.configure(text)
            self.assertError(
                self.run_command("status"), 2, "unixsvc.toml", "; correct it, or give --socket-dir"
            )
        os.unlink(self.config)
        self.assertError(self.run_command("status"), 2, "unixsvc.toml: no such file", "give --socket-dir")

    def test_key_of_a_table(self) -> None:
        """A key of the same name in a table is another one; the default directory is used then."""
        self.patch(os, "environ", os.environ | {"RUNTIME_DIRECTORY": self.folder})
        self.configure('x = \n[services.home.options]\nsocket_dir = "/elsewhere"')
        self.assert_works()


class TokenSourceTests(CommandTestCase):
    """Where the token of a call comes from."""

    def sent(self) -> str | None:
        """The token that ``call`` sends."""
        self.calls.clear()
        self.assertEqual(self.run_command("call", "home", "/").err, "")
        return self.calls[-1].token

    def test_orchestrator(self) -> None:
        """The running orchestrator knows the token better than the file."""
        self.write("service_orchestrator.sock")
        self.access = success({"token": OTHER, "request_timeout": 30.0})
        self.assertEqual(self.sent(), OTHER)

    def test_refused(self) -> None:
        """If the orchestrator refuses this user, or replies nonsense, the token file has the token."""
        self.write("service_orchestrator.sock")
        for access in (failure(403), failure(503), failure(504), success(None), success({"token": 7})):
            self.access = access
            self.assertEqual(self.sent(), TOKEN)

    def test_environment(self) -> None:
        """A token of the environment comes first."""
        self.write("service_orchestrator.sock")
        self.patch(os, "environ", os.environ | {"UNIXSVC_TOKEN": OTHER})
        self.assertEqual(self.sent(), OTHER)
        self.assertEqual(self.run_command("token", "show").out, OTHER + "\n")
        os.environ["UNIXSVC_TOKEN"] = "hunter2"
        outcome = self.run_command("call", "home", "/")
        self.assertError(outcome, 2, "UNIXSVC_TOKEN: is not a token; a token is 64 hexadecimal digits")
        self.assertNotIn("hunter2", outcome.err)

    def test_environment_alone(self) -> None:
        """With it, neither the orchestrator nor a configuration is needed."""
        self.patch(os, "environ", os.environ | {"UNIXSVC_TOKEN": OTHER})
        self.configure('socket_dir = "."\nnonsense')
        self.assertEqual(self.sent(), OTHER)
        self.assertEqual(self.calls[-1].timeout, 30.0)
