"""JSON Web Tokens: what is accepted, and the attacks that are not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.authentication.requests import identify, over_http, over_socket, refusal
from unixsvc.authentication.jwt.key_file import KeyFile
from unixsvc.authentication.schemes.bearer import Bearer
from unixsvc.domain.message import Caller, Grant
from unixsvc.errors import ConfigError

KEY = "0123456789abcdef" * 2
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Claims(Struct):
    """What a typed function wants."""

    sub: str
    admin: bool = False


def whole(claims: dict[str, Any]) -> object:
    """The user is the claims."""
    return claims


def claims(**changes: object) -> dict[str, object]:
    """Valid claims; those that are None are left out."""
    values = {"sub": "ada", "aud": "api", "iss": "https://id", "exp": time.time() + 60} | changes
    return {name: value for name, value in values.items() if value is not None}


def token(key: Any = KEY, algorithm: str = "HS256", kid: str | None = None, **changes: object) -> str:
    """A valid token, with some changes of the claims."""
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": kid} if kid else None)


def part(value: object) -> str:
    """A part of a token."""
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def bearer(text: str) -> dict[str, str]:
    """The header with a token."""
    return {"authorization": f"Bearer {text}"}


def scheme(find_user: Any = whole, **changes: Any) -> Bearer:
    """A scheme for HMAC that was started."""
    arguments: dict[str, Any] = {
        "algorithms": ["HS256"],
        "audience": "api",
        "issuer": "https://id",
        "key": KEY,
    }
    made = Bearer.jwt(find_user, **arguments | changes)
    made.start(".")
    return made


class JwtTests(SynchronousTestCase):
    def problem(self, text: str, **changes: Any) -> str:
        """Why a token is refused."""
        return refusal(scheme(**changes), over_http(headers=bearer(text)))

    def test_valid(self) -> None:
        """The function gets the claims of a valid token, over HTTP and in ``meta`` over a socket."""
        found = identify(scheme(), over_http(headers=bearer(token())))
        self.assertEqual((found["sub"], found["aud"]), ("ada", "api"))
        self.assertEqual(identify(scheme(), over_socket(bearer(token())))["sub"], "ada")

    def test_typed(self) -> None:
        """A function with an annotation gets the claims in that type; other claims are refused."""

        def find(found: Claims) -> Claims:
            return found

        made = scheme(find)
        self.assertEqual(identify(made, over_http(headers=bearer(token(admin=True)))), Claims("ada", True))
        wrong = over_http(headers=bearer(token(admin="yes")))
        self.assertEqual(refusal(made, wrong), "a claim of the token is missing or has another type")

    def test_none(self) -> None:
        """Another scheme, or a token of the service, is no credential."""
        self.assertEqual(refusal(scheme(), over_http()), "")
        self.assertEqual(refusal(scheme(), over_http(headers={"authorization": "Basic YTpi"})), "")
        known = over_http(headers=bearer("0" * 64), caller=Caller(grant=Grant("default")))
        self.assertEqual(refusal(scheme(), known), "")

    def test_time(self) -> None:
        """An expired token is refused, one that is not valid yet, and one that never expires."""
        self.assertEqual(self.problem(token(exp=time.time() - 5)), "the token has expired")
        self.assertEqual(self.problem(token(nbf=time.time() + 50)), "the token is not valid yet")
        self.assertEqual(self.problem(token(exp=None)), "the token is not valid")
        late = over_http(headers=bearer(token(exp=time.time() - 5)))
        self.assertEqual(identify(scheme(leeway=30), late)["sub"], "ada")

    def test_audience_and_issuer(self) -> None:
        """Tokens for another audience or from another issuer are refused; those that lack them, too."""
        self.assertEqual(self.problem(token(aud="other")), "the token is for another audience")
        self.assertEqual(self.problem(token(aud=None)), "the token is not valid")
        self.assertEqual(self.problem(token(), audience=None), "the token is for another audience")
        self.assertEqual(self.problem(token(iss="https://evil")), "the token is from another issuer")
        self.assertEqual(self.problem(token(iss=None)), "the token is not valid")
        several = over_http(headers=bearer(token(aud=["x", "api"])))
        self.assertEqual(identify(scheme(audience=["api", "b"]), several)["sub"], "ada")

    def test_no_signature(self) -> None:
        """``alg: none`` is refused in any spelling, with a signature and without."""
        names: tuple[Any, ...] = ("none", "None", "NONE", "nOnE", "", None, 1, ["HS256"], {})
        for name in names:
            for signature in ("", part("x")):
                head = part({"alg": name, "typ": "JWT"})
                self.assertTrue(self.problem(f"{head}.{part(claims())}.{signature}"), name)
        with self.assertRaises(ConfigError):
            scheme(algorithms=["HS256", "none"])

    def test_key_confusion(self) -> None:
        """A public key is never taken for a shared one: neither by the token, nor by the configuration."""
        folder = self.folder()
        made = scheme(algorithms=["RS256"], key="", public_key_file=os.path.join(folder, "public.pem"))
        good = over_http(headers=bearer(token(RSA, "RS256")))
        self.assertEqual(identify(made, good)["sub"], "ada")
        head, body = part({"alg": "HS256"}), part(claims())
        signature = hmac.new(PUBLIC_PEM, f"{head}.{body}".encode(), hashlib.sha256).digest()
        forged = f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        self.assertTrue(refusal(made, over_http(headers=bearer(forged))))
        with self.assertRaises(ConfigError):
            scheme(algorithms=["RS256", "HS256"])
        with self.assertRaises(ConfigError):
            scheme(algorithms=["RS256"])  # with the shared key
        with self.assertRaises(ConfigError):
            scheme(key="", public_key_file=os.path.join(folder, "public.pem"))  # for HMAC

    def test_damaged(self) -> None:
        """Damaged, nested and very long tokens are refused, without an exception."""
        good = token()
        head, body, signature = good.split(".")
        for text in (
            "x",
            "..",
            ". . .",
            f"{head}.{body}",
            f"{head}.{body}.",
            f"{head}.{body}.{signature}x",
            f"{head}.{part(claims(sub='eve'))}.{signature}",
            f"{good}.{signature}",
            f"{part('[' * 4000)}.{body}.{signature}",
            f"{part({'alg': 'HS256', 'kid': 1})}.{body}.{signature}",
            f"{part({'alg': 'HS256', 'crit': ['b64'], 'b64': False})}..{signature}",
            f"{part({'alg': 'HS256', 'jku': 'https://evil/keys'})}.{body}.{signature}",
            jwt.encode(claims(), "another key that is long enough, too", "HS256"),
            "a" * 8193,
            "é",
            f"{good}\x00",
        ):
            self.assertTrue(refusal(scheme(), over_http(headers=bearer(text))), text[:60])
        raw = jwt.api_jws.encode(b"[" * 5000, KEY, "HS256")
        self.assertTrue(self.problem(raw))
        self.assertTrue(self.problem(jwt.api_jws.encode(b'"text"', KEY, "HS256")))

    def test_guesses(self) -> None:
        """An expired token does not count as a guess, and a forged one does."""
        for text, is_guess in ((token(exp=1), False), (token("x" * 32), True)):
            found = identify(scheme(), over_http(headers=bearer(text)))
            self.assertEqual(found.is_guess, is_guess)

    def test_arguments(self) -> None:
        """Schemes that cannot be safe are refused at once, or when they start."""
        wrong: tuple[dict[str, Any], ...] = (
            {"algorithms": []},
            {"key": ""},
            {"key": KEY, "jwks_file": "keys.json"},
            {"key": "short"},
            {"leeway": -1},
            {"algorithms": ["HS999"]},
            {"key": "", "jwks_file": "missing.json", "algorithms": ["RS256"]},
        )
        for changes in wrong:
            with self.assertRaises(ConfigError):
                scheme(**changes)
        self.assertNotIn(KEY, repr(scheme()))

    def test_private_key(self) -> None:
        """A file with the private key is refused: the service does not need it."""
        path = Path(self.folder(), "private.pem")
        path.write_bytes(RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with self.assertRaisesRegex(ConfigError, "private key"):
            scheme(algorithms=["RS256"], key="", public_key_file=str(path))

    def folder(self) -> str:
        """A folder with the public key."""
        folder: str = self.mktemp()
        os.mkdir(folder)
        Path(folder, "public.pem").write_bytes(PUBLIC_PEM)
        return folder


def public_jwk(key: Any, kid: str, **changes: object) -> dict[str, Any]:
    """The public part of a key."""
    algorithm = jwt.get_algorithm_by_name("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
    document: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**document, "kid": kid, **changes}


class JwksTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A file with two keys."""
        folder = self.mktemp()
        os.mkdir(folder)
        self.path = Path(folder, "jwks.json")
        self.write(public_jwk(RSA, "a"), public_jwk(EC, "b", alg="ES256"), {"kty": "?"})
        self.scheme = scheme(algorithms=["RS256", "ES256"], key="", jwks_file=str(self.path.absolute()))

    def write(self, *keys: object) -> None:
        """Replace the file."""
        self.path.with_suffix(".new").write_text(json.dumps({"keys": keys}))
        self.path.with_suffix(".new").rename(self.path)

    def user(self, key: Any, algorithm: str, kid: str | None) -> Any:
        """The user of a token."""
        request = over_http(headers=bearer(token(key, algorithm, kid)))
        return identify(self.scheme, request)

    def test_chosen(self) -> None:
        """The key is chosen by its name and used with its own algorithm only."""
        self.assertEqual(self.user(RSA, "RS256", "a")["sub"], "ada")
        self.assertEqual(self.user(EC, "ES256", "b")["sub"], "ada")
        self.assertEqual(self.user(EC, "ES256", None)["sub"], "ada")  # the only one
        unknown = {"user_token": "the token is signed with an unknown key"}
        self.assertEqual(self.user(EC, "ES256", "a").problems, unknown)
        self.assertEqual(self.user(RSA, "RS512", "a").problems, unknown)
        self.assertTrue(self.user(rsa.generate_private_key(65537, 2048), "RS256", "a").problems)

    def test_usable(self) -> None:
        """Keys for encryption and shared keys are left out; a file without a usable key is refused."""
        for keys in (
            [public_jwk(RSA, "a", use="enc")],
            [{"kty": "oct", "k": part(KEY), "kid": "a"}],
            [public_jwk(RSA, "a", alg="RS512")],
            [],
            ["x"],
        ):
            self.write(*keys)
            with self.assertRaisesRegex(ConfigError, "has no key for"):
                self.scheme.start(".")
        self.path.write_text("[]")
        with self.assertRaisesRegex(ConfigError, "is not a JSON Web Key Set"):
            self.scheme.start(".")


class KeyFileTests(SynchronousTestCase):
    def test_changed(self) -> None:
        """A changed file is read again within a second; one that cannot be used changes nothing."""
        folder = self.mktemp()
        os.mkdir(folder)
        path = Path(folder, "keys")
        path.write_text("1")
        now = [0.0]
        file = KeyFile("keys", int, "the scheme", lambda: now[0])
        file.start(folder)
        path.write_text("22")
        self.assertEqual(file.keys(), 1)
        now[0] = 1.0
        self.assertEqual(file.keys(), 22)
        for broken in ("text", None):
            if broken is None:
                path.unlink()
            else:
                path.write_text(broken)
            now[0] += 1.0
            self.assertEqual(file.keys(), 22)
        path.write_text("4444")
        now[0] += 1.0
        self.assertEqual(file.keys(), 4444)
