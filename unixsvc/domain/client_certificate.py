"""The certificate that a client has shown in a TLS handshake (mutual TLS)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

__all__ = ["PeerCertificate", "certificate_of", "decode_certificate"]


class PeerCertificate(Struct, frozen=True):
    """A certificate of a client that TLS has verified.

    :ivar subject: names and values, as ``{"commonName": "ada", "organizationName": "Engines"}``. Of a name
        with several values, the last.
    :ivar dns_names: the host names under Subject Alternative Name (SAN).
    :ivar uris: the URIs there, as those of SPIFFE.
    :ivar emails: the mail addresses there.
    :ivar serial_number: in hexadecimal; the issuer gives each only once.
    :ivar issuer: as ``subject``.
    :ivar addresses: the IP addresses under Subject Alternative Name.
    :ivar fingerprint: SHA-256 of the certificate, in hexadecimal.
    :ivar expires: the end of its validity, in seconds since 1970.
    """

    subject: dict[str, str]
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    serial_number: str = ""
    issuer: dict[str, str] = {}
    addresses: tuple[str, ...] = ()
    fingerprint: str = ""
    expires: float = 0.0

    @property
    def common_name(self) -> str:
        """The ``commonName`` of the subject; empty without one."""
        return self.subject.get("commonName", "")


def decode_certificate(fields: Mapping[str, Any], encoded: bytes) -> PeerCertificate:
    """Make a certificate of what ``getpeercert()`` of a TLS socket returns.

    :param fields: strings, and tuples of pairs.
    :param encoded: the certificate in DER.
    """
    from ssl import cert_time_to_seconds  # late: only processes with TLS have certificates

    names: dict[str, list[str]] = {}
    for kind, value in fields.get("subjectAltName", ()):
        names.setdefault(kind, []).append(value)
    return PeerCertificate(
        _names(fields.get("subject", ())),
        tuple(names.get("DNS", ())),
        tuple(names.get("URI", ())),
        tuple(names.get("email", ())),
        fields.get("serialNumber", ""),
        _names(fields.get("issuer", ())),
        tuple(names.get("IP Address", ())),
        hashlib.sha256(encoded).hexdigest(),
        float(cert_time_to_seconds(fields["notAfter"])),
    )


def certificate_of(address: object) -> PeerCertificate | None:
    """The certificate of the client of a connection; None without one, and without TLS.

    :param address: of the client, as the transport of the connection returns it.
    """
    certificate = getattr(address, "certificate", None)
    return certificate if isinstance(certificate, PeerCertificate) else None


def _names(pairs: Iterable[Iterable[tuple[str, str]]]) -> dict[str, str]:
    """The names of a distinguished name: groups of pairs."""
    return {key: value for group in pairs for key, value in group}
