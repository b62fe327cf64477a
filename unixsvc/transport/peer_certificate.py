"""The address of a TLS client with its verified certificate."""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address

from unixsvc.domain.client_certificate import VerifiedCertificate

__all__ = ["certified_address", "parse_certificate"]

# RFC 4514, section 3, and the usual ones beside it.
_SHORT_NAMES: Final = {
    "commonName": "CN", "countryName": "C", "domainComponent": "DC", "localityName": "L",
    "organizationName": "O", "organizationalUnitName": "OU", "stateOrProvinceName": "ST",
    "streetAddress": "STREET", "userId": "UID",
}  # fmt: skip
_ESCAPED: Final = re.compile(r'[,+"\\<>;=]|^[ #]| $')


class CertifiedIPv4Address(IPv4Address):
    """The address of a client with a certificate."""

    certificate: VerifiedCertificate


class CertifiedIPv6Address(IPv6Address):
    """The same for IPv6."""

    certificate: VerifiedCertificate


def certified_address(
    address: IPv4Address | IPv6Address, certificate: VerifiedCertificate
) -> CertifiedIPv4Address | CertifiedIPv6Address:
    """The address of a client with its certificate as the attribute ``certificate``."""
    certified: CertifiedIPv4Address | CertifiedIPv6Address
    if isinstance(address, IPv6Address):
        certified = CertifiedIPv6Address(
            address.type, address.host, address.port, address.flowInfo, address.scopeID
        )
    else:
        certified = CertifiedIPv4Address(address.type, address.host, address.port)
    certified.certificate = certificate
    return certified


def parse_certificate(decoded: Mapping[str, Any], encoded: bytes) -> VerifiedCertificate:
    """A verified certificate.

    :param decoded: as :meth:`ssl.SSLSocket.getpeercert` returns it: strings, and tuples of pairs.
    :param encoded: in DER.
    """
    subject = decoded.get("subject", ())
    names = [value for part in subject for name, value in part if name == "commonName"]
    alternative = decoded.get("subjectAltName", ())

    def of_kind(kind: str) -> tuple[str, ...]:
        return tuple(value for name, value in alternative if name == kind)

    return VerifiedCertificate(
        subject=_distinguished_name(subject),
        common_name=names[-1] if names else "",
        dns_names=of_kind("DNS"),
        emails=of_kind("email"),
        uris=of_kind("URI"),
        addresses=of_kind("IP Address"),
        issuer=_distinguished_name(decoded.get("issuer", ())),
        serial_number=decoded.get("serialNumber", ""),
        fingerprint=hashlib.sha256(encoded).hexdigest(),
        expires=float(ssl.cert_time_to_seconds(decoded["notAfter"])),
    )


def _distinguished_name(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """A name in the form of RFC 4514, the most specific part first."""
    return ",".join(
        "+".join(f"{_SHORT_NAMES.get(name, name)}={_escaped(value)}" for name, value in part)
        for part in reversed([*parts])
    )


def _escaped(value: str) -> str:
    return _ESCAPED.sub(lambda match: f"\\{match[0]}", value).replace("\0", "\\00")
