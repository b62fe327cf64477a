"""Where services are, what is shown to them, and what a call looks like, if nobody says."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.calls import make_call, result_of
from unixsvc.client.connection import Call
from unixsvc.client.location import Credentials, find_location
from unixsvc.errors import BadGateway, ConfigError, Forbidden, Unauthorized

TOKEN = "ab" * 32
_SERVICE = '[services.home]\napp = "unix_app.home:app"\n'


class PlaceTests(SynchronousTestCase):
    """In a folder with a configuration."""

    def setUp(self) -> None:
        """Be there."""
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.configure("required")

    def configure(self, policy: str) -> None:
        """Have a policy."""
        text = f'socket_dir = "run"\ntoken_file = "token"\n[security]\ntoken = "{policy}"\n{_SERVICE}'
        Path("unixsvc.toml").write_text(text)

    def write_token(self) -> None:
        """Have a token."""
        Path("token").write_text(TOKEN)
        os.chmod("token", 0o600)

    def test_said(self) -> None:
        """What is said is taken, and nothing is read then."""
        Path("unixsvc.toml").write_text("nonsense")
        place = find_location("/somewhere", "t")
        self.assertEqual((place.socket_dir, place.token), ("/somewhere", "t"))

    def test_configured(self) -> None:
        """What is not said is what the configuration here says."""
        self.write_token()
        place = find_location()
        self.assertEqual((place.socket_dir, place.token), (os.path.join(self.folder, "run"), TOKEN))
        self.assertEqual(find_location(token="t").token, "t")
        self.assertEqual(find_location("/somewhere").socket_dir, "/somewhere")

    def test_policies(self) -> None:
        """Without a token file: needed under ``required``, done without under the others."""
        self.assertRaises(ConfigError, find_location)
        for policy in ("private", "off"):
            self.configure(policy)
            self.assertIsNone(find_location().token)
        self.write_token()
        self.assertIsNone(find_location().token)
        self.configure("private")
        self.assertEqual(find_location().token, TOKEN)

    def told(
        self, shown: Credentials, detail: object = "auth_token is wrong", kind: type = Unauthorized
    ) -> str:
        """What a caller is told who is refused with that detail."""
        return str(shown.annotate(kind(detail)))

    def test_origin(self) -> None:
        """Who is refused is told the file that the token is from, or why none was shown; never the token."""
        self.write_token()
        file, shown = os.path.join(self.folder, "token"), find_location().credentials
        self.assertEqual(
            self.told(shown), f"401 Unauthorized: auth_token is wrong; the token was read from {file}"
        )
        self.assertNotIn(TOKEN, self.told(shown) + repr(shown) + repr(find_location()))
        os.unlink(file)
        self.configure("private")
        for detail in ("auth_token is missing", None):
            told = self.told(find_location().credentials, detail)
            self.assertIn(f"auth_token is missing; none was sent, as {file} does not exist; use", told)
        self.configure("off")
        self.assertIn("none is required by", self.told(find_location().credentials, None))

    def test_no_origin(self) -> None:
        """What is refused for another reason, or with a token that was simply given, is left as it is."""
        self.write_token()
        for detail in (None, "you?", ["auth_token is wrong"], "auth_token is missing"):
            error = Unauthorized(detail)
            self.assertIs(find_location().credentials.annotate(error), error)
        self.assertEqual(
            self.told(find_location().credentials, kind=Forbidden), "403 Forbidden: auth_token is wrong"
        )
        self.assertEqual(
            self.told(find_location(token="t").credentials), "401 Unauthorized: auth_token is wrong"
        )

    def test_secret(self) -> None:
        """The token is not shown where the place is."""
        self.assertNotIn("secret", repr(find_location("/run", "secret")))


class _Item(Struct):
    name: Annotated[str, Meta(min_length=1)]


class AskingTests(SynchronousTestCase):
    """From what a program says to a call, and from an answer to what it gets."""

    def test_call(self) -> None:
        """A dict and a Struct are data; the method is upper-cased; the key goes with the caller's meta."""
        self.assertEqual(make_call("get", "/x", None), Call("GET", "/x"))
        self.assertEqual(make_call("GET", "/x", {}), Call("GET", "/x"))
        meta = {"request_id": "r"}
        call = make_call("POST", "/x", _Item("Pen"), meta, "k")
        self.assertEqual(
            call, Call("POST", "/x", Raw(b'{"name":"Pen"}'), {"request_id": "r", "idempotency_key": "k"})
        )
        self.assertEqual(meta, {"request_id": "r"})

    def test_wrong_data(self) -> None:
        """What is no object is no data, nor is what cannot become JSON."""
        for wrong in ([1], "text", 7, object(), {"a": object()}):
            self.assertRaises(TypeError, make_call, "GET", "/x", wrong)

    def test_result(self) -> None:
        """An answer becomes what is asked for; where it cannot, the service has answered nonsense."""
        self.assertEqual(result_of(Raw(b'{"name":"Pen"}'), _Item), _Item("Pen"))
        error = self.assertRaises(BadGateway, result_of, Raw(b'{"name":""}'), _Item)
        self.assertIn("name", str(error))
