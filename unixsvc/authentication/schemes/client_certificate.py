"""The scheme of client certificates (mutual TLS)."""

from __future__ import annotations

from collections.abc import Callable

from unixsvc.authentication.credentials import Credentials, InvalidCredentials, printable_subject
from unixsvc.authentication.schemes.base import SchemeBase
from unixsvc.domain.client_certificate import certificate_of
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request

__all__ = ["ClientCertificate"]


class ClientCertificate(SchemeBase):
    """Certificates with which clients open TLS connections.

    The endpoint has to request and to verify them: ``clientCA`` in ``listen`` of the gateway. Behind a proxy
    that terminates TLS, the certificate is that of the proxy.

    :param find_user: gets the :class:`~unixsvc.PeerCertificate`; returns the user, or None.
    :param name: of the scheme.
    :param description: for API documentation.
    """

    def __init__(
        self,
        find_user: Callable[..., object],
        *,
        name: str = "client_certificate",
        description: str = "",
    ) -> None:
        super().__init__(find_user, name, description)

    def read(self, request: Request) -> Credentials | None:
        """Return the certificate."""
        certificate = certificate_of(request.peer_address)
        if certificate is None:
            return None
        subject = certificate.common_name or next(iter(certificate.uris or certificate.dns_names), "")
        if not (subject or certificate.subject):
            raise InvalidCredentials("the certificate has no name")
        issuer = certificate.issuer.get("commonName", "")
        return Credentials(certificate, printable_subject(f"{subject}@{issuer}"))

    def describe(self) -> JsonObject:
        """Return the type of the scheme."""
        description = {"description": self.description} if self.description else {}
        return {"type": "mutualTLS"} | description
