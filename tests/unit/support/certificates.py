"""Certificates for tests: self-signed ones, and those of an authority."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "write_certificate"]

_PEM: Final = serialization.Encoding.PEM
_KEY_USAGES: Final = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
_LOCAL: Final = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


def write_certificate(folder: str, name: str = "localhost") -> tuple[str, str]:
    """Make a key and a self-signed certificate for ``localhost``; the paths of both.

    :param name: the common name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return _write(folder, "key.pem", "certificate.pem", key, _signed(subject, key, subject, key, _LOCAL))


class Authority:
    """Issues the certificates of clients.

    :param folder: for the files.
    :ivar path: the certificate of the authority.
    """

    def __init__(self, folder: str, name: str = "Test CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = _signed(self._name, self._key, self._name, self._key)
        self.path = _write(folder, f"{name}.key", f"{name}.pem", self._key, certificate)[1]

    def issue(
        self,
        name: str,
        alternative: Sequence[x509.GeneralName] = (),
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        expired: bool = False,
    ) -> tuple[str, str]:
        """Issue a certificate; the paths of its key and of the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [(NameOID.ORGANIZATION_NAME, "Shop, Inc."), (NameOID.COMMON_NAME, name)]
        subject = x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])
        certificate = _signed(subject, key, self._name, self._key, alternative, usage, expired)
        return _write(self._folder, f"{name}.key", f"{name}.pem", key, certificate)


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    alternative: Sequence[x509.GeneralName] = (),
    usage: x509.ObjectIdentifier | None = None,
    expired: bool = False,
) -> x509.Certificate:
    """Make a certificate.

    :param usage: of the key of a client or a server; None for an authority.
    """
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC) - (2 * day if expired else 0 * day)
    identifier = x509.SubjectKeyIdentifier.from_public_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
        .add_extension(identifier(key.public_key()), critical=False)
    )
    if usage is None:  # Python 3.13 demands it (VERIFY_X509_STRICT)
        signs = dict.fromkeys(_KEY_USAGES, False) | {"key_cert_sign": True, "digital_signature": True}
        builder = builder.add_extension(x509.KeyUsage(**signs), critical=True)
    if usage is not None:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(authority, critical=False)
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _write(
    folder: str,
    key_name: str,
    certificate_name: str,
    key: ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
) -> tuple[str, str]:
    """Write both; the paths."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    key_path, certificate_path = Path(folder, key_name), Path(folder, certificate_name)
    plain = serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain))
    certificate_path.write_bytes(certificate.public_bytes(_PEM))
    return str(key_path.resolve()), str(certificate_path.resolve())
