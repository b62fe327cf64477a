"""API keys, Basic, client certificates, users of this machine and forwarded users."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from msgspec import Struct
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.authentication.requests import identify, over_http, over_socket, refusal
from unixsvc.authentication.passwords import hash_password, verify_password
from unixsvc.authentication.schemes.api_key import ApiKey
from unixsvc.authentication.schemes.basic import Basic, Password
from unixsvc.authentication.schemes.bearer import Bearer
from unixsvc.authentication.schemes.client_certificate import ClientCertificate
from unixsvc.authentication.schemes.failure_limit import client_of
from unixsvc.authentication.schemes.forwarded_user import Forwarded, ForwardedUser
from unixsvc.authentication.schemes.unix_user import UnixUser
from unixsvc.domain.client_certificate import PeerCertificate
from unixsvc.domain.message import Caller, Grant, Peer
from unixsvc.errors import ConfigError, RateLimited


def known(value: Any) -> Any:
    """The user is the credentials."""
    return value


def only_x(key: str) -> str | None:
    """The user of one key."""
    return "xena" if key == "x" else None


class BearerTests(SynchronousTestCase):
    def test_opaque(self) -> None:
        """The function gets an opaque token, whose subject is a digest: the token is in no log."""
        request = over_http(headers={"authorization": "bearer  x"})
        self.assertEqual(identify(Bearer(only_x), request), "xena")
        self.assertEqual(
            refusal(Bearer(only_x), over_http(headers={"authorization": "Bearer y"})),
            "the credentials are those of no user",
        )
        credentials = Bearer(only_x).read(request)
        assert credentials is not None
        self.assertEqual(len(credentials.subject), 32)

    def test_challenge(self) -> None:
        """The challenge is that of RFC 6750; it quotes what may break the header."""
        self.assertEqual(Bearer(only_x).challenge(""), "Bearer")
        scheme = Bearer(only_x, realm='a "b"\n')
        self.assertEqual(
            scheme.challenge("no"),
            r'Bearer realm="a \"b\"?", error="invalid_token", error_description="no"',
        )

    def test_described(self) -> None:
        """In OpenAPI it is HTTP's bearer, or OAuth 2.0 with the URL for a password."""
        self.assertEqual(Bearer(only_x).describe(), {"type": "http", "scheme": "bearer"})
        described = Bearer(only_x, token_url="token", description="Of the shop.").describe()
        flow = {"tokenUrl": "token", "scopes": {}}
        self.assertEqual(
            described, {"type": "oauth2", "flows": {"password": flow}, "description": "Of the shop."}
        )


class ApiKeyTests(SynchronousTestCase):
    def test_places(self) -> None:
        """A key is in a header, over a socket in ``meta``, in a cookie, or in the query."""
        self.assertEqual(identify(ApiKey(only_x), over_http(headers={"X-API-Key": "x"})), "xena")
        self.assertEqual(identify(ApiKey(only_x), over_socket({"x-api-key": "x"})), "xena")
        self.assertEqual(identify(ApiKey(only_x, header="X-K"), over_http(headers={"X-K": "x"})), "xena")
        self.assertEqual(identify(ApiKey(only_x, query="key"), over_http(query="a=1&key=x")), "xena")
        self.assertEqual(
            identify(ApiKey(only_x, cookie="key"), over_http(headers={"Cookie": "a=b; key=x"})), "xena"
        )

    def test_refused(self) -> None:
        """An empty, long, doubled or unknown key has no user; nor has a key at another place."""
        scheme = ApiKey(only_x, query="key")
        for query in ("key=", "key=x&key=y", "key=z", f"key={'x' * 1025}"):
            self.assertTrue(refusal(scheme, over_http(query=query)), query)
        self.assertEqual(refusal(scheme, over_http(headers={"X-API-Key": "x"})), "")
        self.assertEqual(refusal(scheme, over_http(query="monkey=x")), "")
        with self.assertRaises(ConfigError):
            ApiKey(only_x, query="key", cookie="key")

    def test_described(self) -> None:
        """OpenAPI has the place, and the challenge too."""
        self.assertEqual(ApiKey(only_x).describe(), {"type": "apiKey", "in": "header", "name": "X-API-Key"})
        self.assertEqual(ApiKey(only_x, cookie="k").challenge(""), 'ApiKey in="cookie", name="k"')


def basic(text: str) -> dict[str, str]:
    """The header with a user name and a password."""
    return {"authorization": f"Basic {b64encode(text.encode()).decode()}"}


def check(sent: Password) -> str | None:
    """The user of one password."""
    return sent.username if sent.password == "pass:wörd" else None


class BasicTests(SynchronousTestCase):
    def test_password(self) -> None:
        """The function gets both; the password may contain a colon and any character."""
        self.assertEqual(identify(Basic(check), over_http(headers=basic("ada:pass:wörd"))), "ada")
        self.assertTrue(refusal(Basic(check), over_http(headers=basic("ada:wrong"))))
        self.assertNotIn("wörd", repr(Password("ada", "wörd")))

    def test_damaged(self) -> None:
        """Credentials that are not base64 or not UTF-8, or that have no colon, are refused."""
        for value in ("", "!", "YQ", b64encode(b"\xff:").decode(), b64encode(b"a").decode(), "A" * 2000):
            request = over_http(headers={"authorization": f"Basic {value}"})
            self.assertTrue(refusal(Basic(check), request), value)

    def test_failures(self) -> None:
        """After some failures an address has to wait, even with the right password; others have not."""
        scheme = Basic(check, max_failures=2)
        right, wrong = basic("ada:pass:wörd"), basic("ada:x")
        for _ in range(5):
            self.assertEqual(identify(scheme, over_http(headers=right)), "ada")
        for _ in range(2):
            identify(scheme, over_http(headers=wrong))
        found = identify(scheme, over_http(headers=right))
        self.assertIsInstance(found.error, RateLimited)
        self.assertGreater(found.error.detail["retry_after"], 0)
        other = over_http(headers=right, peer=IPv4Address("TCP", "192.0.2.2", 1))
        self.assertEqual(identify(scheme, other), "ada")

    def test_errors(self) -> None:
        """An exception of the function is not a failure of the client."""

        def fail(sent: Password) -> None:
            raise LookupError

        scheme = Basic(fail, max_failures=1)
        for _ in range(3):
            self.assertRaises(LookupError, identify, scheme, over_http(headers=basic("a:b")))

    def test_described(self) -> None:
        """OpenAPI and the challenge name the scheme."""
        self.assertEqual(Basic(check).describe(), {"type": "http", "scheme": "basic"})
        self.assertEqual(Basic(check, realm="Shop").challenge(""), 'Basic realm="Shop", charset="UTF-8"')


class ClientTests(SynchronousTestCase):
    def test_client(self) -> None:
        """A client is an address, a network of IPv6 or, on a socket, a user; only a proxy can change it."""
        self.assertEqual(client_of(over_http()), "192.0.2.1")
        self.assertEqual(client_of(over_http(meta={"client_address": "198.51.100.7"})), "198.51.100.7")
        hosts = ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1")
        found = [client_of(over_http(peer=IPv6Address("TCP", host, 1))) for host in hosts]
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[1], found[2])
        process = Caller(Peer(uid=7))
        self.assertEqual(client_of(over_socket({"client_address": "x"}, process)), "uid:7")
        self.assertEqual(client_of(over_http(peer=None)), "local")


class PasswordTests(SynchronousTestCase):
    def test_hash(self) -> None:
        """A hash fits its password only, has a salt of its own, and does not contain the password."""
        stored = hash_password("secret")
        self.assertTrue(verify_password("secret", stored))
        self.assertFalse(verify_password("Secret", stored))
        self.assertNotEqual(stored, hash_password("secret"))
        self.assertNotIn("secret", stored)

    def test_no_user(self) -> None:
        """Without a hash no password is right; a text that is no hash is an error."""
        self.assertFalse(verify_password("", None))
        self.assertRaises(ValueError, verify_password, "x", "x")


class Address(Struct):
    """An address of a connection with a certificate."""

    host: str
    certificate: PeerCertificate | None = None


CERTIFICATE = PeerCertificate({"organizationName": "Engines", "commonName": "ada"}, ("a.example",))


class CertificateTests(SynchronousTestCase):
    def test_certificate(self) -> None:
        """The function gets the verified certificate."""
        found = identify(ClientCertificate(known), over_http(peer=Address("192.0.2.1", CERTIFICATE)))
        self.assertIs(found, CERTIFICATE)

    def test_none(self) -> None:
        """A connection without a verified certificate has no credentials."""
        for peer in (None, Address("x"), IPv4Address("TCP", "192.0.2.1", 1)):
            self.assertEqual(refusal(ClientCertificate(known), over_http(peer=peer)), "")

    def test_nameless(self) -> None:
        """A certificate without a name is refused."""
        nameless = over_http(peer=Address("x", PeerCertificate({}, serial_number="1")))
        self.assertEqual(refusal(ClientCertificate(known), nameless), "the certificate has no name")


class UnixUserTests(SynchronousTestCase):
    def test_uid(self) -> None:
        """The function gets the process that the kernel reports; over HTTP there is none."""
        caller = Caller(Peer(uid=1000, pid=7))
        self.assertEqual(identify(UnixUser(known), over_socket(caller=caller)), Peer(uid=1000, pid=7))
        self.assertEqual(refusal(UnixUser(known), over_http(caller=caller)), "")
        self.assertEqual(refusal(UnixUser(known), over_socket()), "")


class ForwardedUserTests(SynchronousTestCase):
    def test_trusted(self) -> None:
        """Only a caller with the shared token may name a user, and not over HTTP."""
        meta = {"user": "user:session:ada:1"}
        services = Caller(grant=Grant("default"))
        found = identify(ForwardedUser(known), over_socket(meta, services))
        self.assertEqual(found, Forwarded("session", "ada:1"))
        for request in (
            over_socket(meta),
            over_socket(meta, Caller(trusted=True)),
            over_socket(meta, Caller(grant=Grant("billing"), trusted=True)),
            over_http(meta=meta, caller=services),
            over_socket({"user": "session:ada"}, services),
            over_socket({"user": "user:session:"}, services),
            over_socket({}, services),
        ):
            self.assertEqual(refusal(ForwardedUser(known), request), "")
