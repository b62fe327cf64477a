"""TLS of endpoints: versions, files that cannot be used, and client certificates."""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from pathlib import Path
from unittest import skipUnless

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.certificates import Authority, write_certificate
from unixsvc.config.http import parse_listen
from unixsvc.domain.client_certificate import PeerCertificate, certificate_of, decode_certificate
from unixsvc.errors import ConfigError
from unixsvc.listen.certificates import certificate_paths, read_certificate, secure_endpoints
from unixsvc.listen.tls import make_tls_context
from unixsvc.transport.peer_certificate import certified_address


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Connect two contexts in memory; the server's and the client's end.

    :raises ssl.SSLError: as the server reports it.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
    )
    for _ in range(4):
        for end in reversed(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends


class TlsTestCase(SynchronousTestCase):
    """A test with the certificate of a server."""

    def setUp(self) -> None:
        """Make the certificate, and a client that trusts it."""
        self.folder = self.mktemp()
        self.key, self.certificate = write_certificate(self.folder)
        self.client = ssl.create_default_context(cafile=self.certificate)

    def context(self, more: str = "", key: str = "", certificate: str = "") -> ssl.SSLContext:
        """The context of an endpoint."""
        text = f"ssl:0:privateKey={key or self.key}:certKey={certificate or self.certificate}{more}"
        listen = parse_listen(text)
        return make_tls_context(read_certificate(listen), listen)

    def refusal(self, more: str = "", key: str = "", certificate: str = "") -> str:
        """The error of an endpoint whose files cannot be used."""
        return str(self.assertRaises(ConfigError, self.context, more, key, certificate))


class VersionTests(TlsTestCase):
    """The defaults are modern."""

    def test_versions(self) -> None:
        """TLS 1.2 and 1.3 are spoken, with HTTP/1.1 by ALPN."""
        server = self.context()
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            self.client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            self.client.maximum_version = version
            self.client.minimum_version = version
            self.client.set_alpn_protocols(["h2", "http/1.1"])
            end, _ = handshake(server, self.client)
            self.assertEqual((end.version(), end.selected_alpn_protocol()), (name, "http/1.1"))

    @skipUnless(ssl.HAS_TLSv1_1, "OpenSSL here has no TLS 1.1")
    def test_old_version(self) -> None:
        """A client with TLS 1.1 at most is refused, for its version."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.client.minimum_version = ssl.TLSVersion.TLSv1
            self.client.maximum_version = ssl.TLSVersion.TLSv1_1
        self.client.set_ciphers("ALL:@SECLEVEL=0")
        error = self.assertRaises(ssl.SSLError, handshake, self.context(), self.client)
        self.assertEqual(error.reason, "UNSUPPORTED_PROTOCOL")

    def test_ciphers(self) -> None:
        """With TLS 1.2 each cipher has forward secrecy and authenticated encryption, on any system."""
        ciphers = self.context().get_ciphers()
        self.assertGreater(len(ciphers), 9)
        for cipher in ciphers:
            name = cipher["name"]
            self.assertTrue(name.startswith(("TLS_", "ECDHE-RSA-", "ECDHE-ECDSA-", "DHE-RSA-")), name)
            self.assertTrue(cipher["aead"], name)
            self.assertGreaterEqual(cipher["strength_bits"], 128, name)


class FileTests(TlsTestCase):
    """The files of an endpoint."""

    def test_chain(self) -> None:
        """Intermediate certificates may be in a file of their own."""
        other = write_certificate(self.mktemp())[1]
        listen = parse_listen(
            f"ssl:0:privateKey={self.key}:certKey={self.certificate}:extraCertChain={other}"
        )
        certificate = read_certificate(listen)
        self.assertEqual(certificate.chain.count("BEGIN CERTIFICATE"), 2)
        self.assertEqual(certificate_paths(listen), [self.key, self.certificate, other])
        make_tls_context(certificate, listen)

    def test_one_file(self) -> None:
        """Key and certificate may be in one file."""
        both = Path(self.folder, "both.pem")
        both.write_text(Path(self.key).read_text() + Path(self.certificate).read_text())
        handshake(self.context(key=str(both), certificate=str(both)), self.client)

    def test_unusable(self) -> None:
        """A file that is missing, wrong, or that of another key is named in the error, in one line."""
        other_key, _ = write_certificate(self.mktemp())
        self.assertIn(
            f"{self.key}x: cannot be used for https://0.0.0.0:0: No such", self.refusal(key=f"{self.key}x")
        )
        for key, certificate, words in (
            (self.key, self.key, "cannot be used"),
            (other_key, self.certificate, "key values mismatch"),
        ):
            error = self.refusal(key=key, certificate=certificate)
            self.assertIn(f"{certificate}, {key}", error)
            self.assertIn(words, error)
            self.assertNotIn("\n", error)
            self.assertNotIn("_ssl.c", error)

    def test_encrypted_key(self) -> None:
        """An encrypted key is refused; OpenSSL does not read a passphrase from the terminal."""
        key = load_pem_private_key(Path(self.key).read_bytes(), None)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        Path(self.key).write_bytes(secret)
        self.assertIn(f"{self.key}: cannot be used for https://0.0.0.0:0: it is encrypted", self.refusal())

    def test_repr(self) -> None:
        """The representation does not show the private key."""
        listen = parse_listen(f"ssl:0:privateKey={self.key}:certKey={self.certificate}")
        self.assertNotIn("PRIVATE", repr(read_certificate(listen)))

    def test_secure_endpoints(self) -> None:
        """Only endpoints with TLS have certificates; paths are relative to the configuration."""
        found = secure_endpoints(("tcp:0", "ssl:1:privateKey=k.pem"), "/etc")
        self.assertEqual([*found], ["ssl:1:privateKey=k.pem"])
        self.assertEqual(certificate_paths(found["ssl:1:privateKey=k.pem"]), ["/etc/k.pem"])


class ClientCertificateTests(TlsTestCase):
    """Mutual TLS."""

    def setUp(self) -> None:
        """Make an authority."""
        super().setUp()
        self.authority = Authority(self.folder)

    def connect(self, more: str, pair: tuple[str, str] | None = None) -> PeerCertificate | None:
        """Connect a client; what the server knows of its certificate."""
        server = self.context(more)
        if pair is not None:
            self.client.load_cert_chain(pair[1], pair[0])
        end, _ = handshake(server, self.client)
        decoded = end.getpeercert()
        return decode_certificate(decoded, end.getpeercert(binary_form=True) or b"") if decoded else None

    def test_required(self) -> None:
        """With an authority, clients need a certificate by default."""
        ca = f":clientCA={self.authority.path}"
        for more in (ca, f"{ca}:clientCert=required"):
            error = self.assertRaises(ssl.SSLError, self.connect, more)
            self.assertEqual(error.reason, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
        found = self.connect(ca, self.authority.issue("alice"))
        assert found is not None
        self.assertEqual(found.subject, {"organizationName": "Shop, Inc.", "commonName": "alice"})
        self.assertEqual((found.common_name, found.issuer), ("alice", {"commonName": "Test CA"}))

    def test_optional(self) -> None:
        """An optional certificate may be missing, but not be wrong."""
        more = f":clientCA={self.authority.path}:clientCert=optional"
        self.assertIsNone(self.connect(more))
        self.assertIsNotNone(self.connect(more, self.authority.issue("alice")))
        other = Authority(self.mktemp()).issue("alice")
        self.assertRaises(ssl.SSLError, self.connect, more, other)

    def test_refused(self) -> None:
        """A certificate of another authority, one that has expired, and that of a server are refused."""
        more = f":clientCA={self.authority.path}"
        for pair in (
            Authority(self.mktemp()).issue("alice"),
            self.authority.issue("late", expired=True),
            self.authority.issue("server", usage=ExtendedKeyUsageOID.SERVER_AUTH),
            write_certificate(self.mktemp()),
        ):
            error = self.assertRaises(ssl.SSLError, self.connect, more, pair)
            self.assertEqual(error.reason, "CERTIFICATE_VERIFY_FAILED", pair)

    def test_not_requested(self) -> None:
        """Without an authority no certificate is requested, and none is known."""
        self.assertIsNone(self.connect("", self.authority.issue("alice")))

    def test_alternative_names(self) -> None:
        """All kinds of subject alternative names are known, with serial number, fingerprint and expiry."""
        names = [
            x509.DNSName("a.example"),
            x509.DNSName("b.example"),
            x509.RFC822Name("a@example.org"),
            x509.UniformResourceIdentifier("spiffe://example.org/shop"),
            x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        ]
        key, path = self.authority.issue("shop", names)
        found = self.connect(f":clientCA={self.authority.path}", (key, path))
        expected = x509.load_pem_x509_certificate(Path(path).read_bytes())
        assert found is not None
        self.assertEqual(found.dns_names, ("a.example", "b.example"))
        self.assertEqual((found.emails, found.uris), (("a@example.org",), ("spiffe://example.org/shop",)))
        self.assertEqual(found.addresses, ("10.0.0.1",))
        self.assertEqual(int(found.serial_number, 16), expected.serial_number)
        self.assertEqual(found.fingerprint, expected.fingerprint(expected.signature_hash_algorithm).hex())  # type: ignore[arg-type]
        self.assertEqual(found.expires, expected.not_valid_after_utc.timestamp())

    def test_wrong_authority(self) -> None:
        """A file without a certificate is no authority; the error names it."""
        empty = Path(self.folder, "empty.pem")
        for text in ("", "nothing", Path(self.key).read_text()):
            empty.write_text(text)
            self.assertIn(f"{empty.resolve()}: cannot be used", self.refusal(f":clientCA={empty.resolve()}"))

    def test_address(self) -> None:
        """The certificate is an attribute of the address, and other addresses have none."""
        certificate = PeerCertificate({"commonName": "a"})
        for address in (IPv4Address("TCP", "127.0.0.1", 1), IPv6Address("TCP", "::1", 2, 3, 4)):
            certified = certified_address(address, certificate)
            self.assertIs(certificate_of(certified), certificate)
            self.assertIsNone(certificate_of(address))
            self.assertEqual((certified.host, certified.port), (address.host, address.port))
        self.assertIsNone(certificate_of(None))
