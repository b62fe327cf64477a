"""Where a client finds its socket directory and token; how calls are encoded and results are decoded."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.aio.client import Client as AioClient
from unixsvc.client.blocking.client import Client as BlockingClient
from unixsvc.client.calls import make_call, result_of
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials, find_location
from unixsvc.client.discovery.service_finder import ServiceFinder
from unixsvc.client.twisted.client import Client as TwistedClient
from unixsvc.errors import BadGateway, ConfigError, Forbidden, Unauthorized
from unixsvc.security.token_file import write_private

TOKEN = "ab" * 32
_SERVICE = '[services.home]\napp = "unix_app.home:app"\n'


class LocationTests(SynchronousTestCase):
    """In a directory with a configuration."""

    def setUp(self) -> None:
        """Change to it."""
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.configure("required")

    def configure(self, policy: str) -> None:
        """Write a configuration with a token policy."""
        text = f'socket_dir = "run"\ntoken_file = "token"\n[security]\ntoken = "{policy}"\n{_SERVICE}'
        Path("unixsvc.toml").write_text(text)

    def write_token(self) -> None:
        """Write a token file."""
        Path("token").write_text(TOKEN)
        os.chmod("token", 0o600)

    def test_given(self) -> None:
        """If both are given, no configuration is read."""
        Path("unixsvc.toml").write_text("nonsense")
        location = find_location("/somewhere", "t")
        self.assertEqual((location.socket_dir, location.token), ("/somewhere", "t"))

    def test_configured(self) -> None:
        """What is not given comes from the configuration."""
        self.write_token()
        location = find_location()
        self.assertEqual((location.socket_dir, location.token), (os.path.join(self.folder, "run"), TOKEN))
        self.assertEqual(find_location(token="t").token, "t")
        self.assertEqual(find_location("/somewhere").socket_dir, "/somewhere")

    def test_environment(self) -> None:
        """A token of the environment comes before the file; with a directory, no configuration is read."""
        self.write_token()
        other = "cd" * 32
        self.patch(os, "environ", os.environ | {"UNIXSVC_TOKEN": other})
        self.assertEqual(find_location().token, other)
        self.assertEqual(find_location(token="t").token, "t")
        Path("unixsvc.toml").write_text("nonsense")
        location = find_location("/somewhere")
        self.assertEqual((location.socket_dir, location.token), ("/somewhere", other))
        self.assertIn("read from the environment variable UNIXSVC_TOKEN", self.message(location.credentials))

    def test_config(self) -> None:
        """With files that the program names, those of the current directory and variables do not count."""
        self.write_token()
        os.makedirs("etc")
        Path("etc/a.toml").write_text(f'socket_dir = "run"\ntoken_file = "../token"\n{_SERVICE}')
        Path("etc/b.toml").write_text('services.home.app = "${NONE_SUCH}"\nsocket_dir = "other"\n')
        Path("unixsvc.toml").write_text("nonsense")
        self.patch(os, "environ", os.environ | {"UNIXSVC_SOCKET_DIR": "/nowhere"})
        for config, directory in (
            ("etc/a.toml", "run"),
            (Path("etc/a.toml"), "run"),
            (["etc/a.toml", "etc/b.toml"], "other"),
        ):
            location = find_location(config=config)
            self.assertEqual(location.socket_dir, os.path.join(self.folder, "etc", directory))
            self.assertEqual(location.token, TOKEN)
        self.assertEqual(find_location("/somewhere", config="etc/a.toml").socket_dir, "/somewhere")

    def test_variables(self) -> None:
        """Without them, variables that stand for keys count, as for an orchestrator started here."""
        self.write_token()
        self.patch(os, "environ", os.environ | {"UNIXSVC_SOCKET_DIR": "/srv/run"})
        self.assertEqual(find_location().socket_dir, "/srv/run")

    def test_token_file(self) -> None:
        """A token file that the program names comes before all other tokens, and is read again."""
        self.write_token()
        self.patch(os, "environ", os.environ | {"UNIXSVC_TOKEN": "cd" * 32})
        location = find_location("/somewhere", token_file="token")
        path = os.path.join(self.folder, "token")
        self.assertEqual((location.socket_dir, location.token), ("/somewhere", TOKEN))
        self.assertEqual(location.credentials.file, path)
        self.assertEqual(find_location(token_file="token").socket_dir, os.path.join(self.folder, "run"))
        self.assertIn(f"the token was read from {path}", self.message(location.credentials))
        write_private(path, "ef" * 32)
        self.assertEqual(location.credentials.refreshed().token, "ef" * 32)
        os.unlink(path)
        error = self.assertRaises(ConfigError, find_location, "/somewhere", token_file="token")
        self.assertIn(f"{path}: there is no token", str(error))

    def test_two_tokens(self) -> None:
        """A token and a token file together are a mistake of the program."""
        self.assertRaises(ValueError, ServiceFinder, "home", None, token="t", token_file="token")

    def test_use_token(self) -> None:
        """Another token replaces the token file."""
        finder = ServiceFinder("home", None, socket_dir="/somewhere", token_file="none")
        finder.use_token("t")
        self.assertEqual(finder.find().token, "t")

    def test_clients(self) -> None:
        """All three clients take the configuration and the token file."""
        self.write_token()
        Path("other.toml").write_text('socket_dir = "other"\n')
        for kind in (AioClient, BlockingClient, TwistedClient):
            client = kind("home", config="other.toml", token_file="token")
            location = client._finder.find()
            expected = (os.path.join(self.folder, "other"), TOKEN)
            self.assertEqual((location.socket_dir, location.token), expected)

    def test_credential(self) -> None:
        """So does a credential of systemd, which is read again when it has changed."""
        path = os.path.join(self.folder, "unixsvc-token")
        write_private(path, TOKEN)
        self.patch(os, "environ", os.environ | {"CREDENTIALS_DIRECTORY": self.folder})
        credentials = find_location("/somewhere").credentials
        self.assertEqual((credentials.token, credentials.file), (TOKEN, path))
        write_private(path, "cd" * 32)
        self.assertEqual(credentials.refreshed().token, "cd" * 32)

    def test_refreshed(self) -> None:
        """Credentials follow their file; while that is missing or damaged, they stay as they were."""
        self.write_token()
        path, credentials = os.path.join(self.folder, "token"), find_location().credentials
        self.assertIs(credentials.refreshed(), credentials)
        os.unlink(path)
        self.assertIs(credentials.refreshed(), credentials)
        write_private(path, "nonsense")
        self.assertIs(credentials.refreshed(), credentials)
        write_private(path, "cd" * 32)
        self.assertEqual(credentials.refreshed().token, "cd" * 32)
        self.assertIs(Credentials("t").refreshed().token, "t")

    def test_policies(self) -> None:
        """A missing token file is an error under ``required`` only; under ``off`` no token is read."""
        self.assertRaises(ConfigError, find_location)
        for policy in ("private", "off"):
            self.configure(policy)
            self.assertIsNone(find_location().token)
        self.write_token()
        self.assertIsNone(find_location().token)
        self.configure("private")
        self.assertEqual(find_location().token, TOKEN)

    def message(
        self, credentials: Credentials, detail: object = "auth_token is wrong", kind: type = Unauthorized
    ) -> str:
        """The message of an error after the token was rejected with this detail."""
        return str(credentials.annotate(kind(detail)))

    def test_origin(self) -> None:
        """The error names the file of the token, or says why none was sent; it never contains the token."""
        self.write_token()
        file, credentials = os.path.join(self.folder, "token"), find_location().credentials
        self.assertEqual(
            self.message(credentials),
            f"401 Unauthorized: auth_token is wrong; the token was read from {file}",
        )
        self.assertNotIn(TOKEN, self.message(credentials) + repr(credentials) + repr(find_location()))
        os.unlink(file)
        self.configure("private")
        for detail in ("auth_token is missing", None):
            message = self.message(find_location().credentials, detail)
            self.assertIn(f"auth_token is missing; none was sent, as {file} does not exist; use", message)
        self.configure("off")
        self.assertIn("none is required by", self.message(find_location().credentials, None))

    def test_no_origin(self) -> None:
        """An error with another reason, or for a token that was given, is not changed."""
        self.write_token()
        for detail in (None, "you?", ["auth_token is wrong"], "auth_token is missing"):
            error = Unauthorized(detail)
            self.assertIs(find_location().credentials.annotate(error), error)
        self.assertEqual(
            self.message(find_location().credentials, kind=Forbidden), "403 Forbidden: auth_token is wrong"
        )
        self.assertEqual(
            self.message(find_location(token="t").credentials), "401 Unauthorized: auth_token is wrong"
        )

    def test_secret(self) -> None:
        """The token is not part of a repr."""
        self.assertNotIn("secret", repr(find_location("/run", "secret")))


class _Item(Struct):
    name: Annotated[str, Meta(min_length=1)]


class EncodingTests(SynchronousTestCase):
    """From arguments to a call, and from a reply to a result."""

    def test_call(self) -> None:
        """Data may be a dict or a Struct; the method is upper-cased; the key is added to the meta."""
        self.assertEqual(make_call("get", "/x", None), Call("GET", "/x"))
        self.assertEqual(make_call("GET", "/x", {}), Call("GET", "/x"))
        meta = {"request_id": "r"}
        call = make_call("POST", "/x", _Item("Pen"), meta, "k")
        self.assertEqual(
            call, Call("POST", "/x", Raw(b'{"name":"Pen"}'), {"request_id": "r", "idempotency_key": "k"})
        )
        self.assertEqual(meta, {"request_id": "r"})

    def test_wrong_data(self) -> None:
        """Data must be JSON."""
        for wrong in (object(), {"a": object()}):
            self.assertRaises(TypeError, make_call, "GET", "/x", wrong)

    def test_result(self) -> None:
        """A result is decoded as the given type; if it does not fit, the error is BadGateway."""
        self.assertEqual(result_of(Raw(b'{"name":"Pen"}'), _Item), _Item("Pen"))
        error = self.assertRaises(BadGateway, result_of, Raw(b'{"name":""}'), _Item)
        self.assertIn("name", str(error))
