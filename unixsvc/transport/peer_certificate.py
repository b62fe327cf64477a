"""The address of a TLS client with its verified certificate."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address

from unixsvc.domain.client_certificate import PeerCertificate

__all__ = ["certified_address"]


class CertifiedIPv4Address(IPv4Address):
    """The address of a client with a certificate."""

    certificate: PeerCertificate


class CertifiedIPv6Address(IPv6Address):
    """The same for IPv6."""

    certificate: PeerCertificate


def certified_address(
    address: IPv4Address | IPv6Address, certificate: PeerCertificate
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
