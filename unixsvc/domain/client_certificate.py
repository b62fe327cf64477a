"""The certificate that a client has shown in a TLS handshake (mutual TLS)."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["VerifiedCertificate", "certificate_of"]


class VerifiedCertificate(Struct, frozen=True):
    """The certificate of a client, issued by an authority of the endpoint, and valid at its handshake.

    :ivar subject: as RFC 4514 writes it: ``CN=alice,O=Shop``.
    :ivar common_name: the last one of the subject; empty if it has none. For names of hosts and services the
        alternative names below count, not this.
    :ivar dns_names: subject alternative names (SANs), as the three after it.
    :ivar issuer: the authority, in the form of the subject.
    :ivar serial_number: in hexadecimal; unique for one issuer.
    :ivar fingerprint: SHA-256 of the certificate, in hexadecimal.
    :ivar expires: the end of its validity, in seconds since 1970.
    """

    subject: str
    common_name: str = ""
    dns_names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    issuer: str = ""
    serial_number: str = ""
    fingerprint: str = ""
    expires: float = 0.0


def certificate_of(address: object) -> VerifiedCertificate | None:
    """The certificate of the client of a connection; None without one, and without TLS.

    :param address: of the client, as the transport of the connection returns it.
    """
    certificate = getattr(address, "certificate", None)
    return certificate if isinstance(certificate, VerifiedCertificate) else None
