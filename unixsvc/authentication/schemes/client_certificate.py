"""The scheme of client certificates (mutual TLS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from unixsvc.authentication.credentials import Credentials, InvalidCredentials, printable_subject
from unixsvc.authentication.schemes.base import SchemeBase
from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request

__all__ = ["ClientCertificate", "PeerCertificate"]


class PeerCertificate(Struct, frozen=True):
    """A certificate that TLS has verified.

    :ivar subject: names and values, as ``{"commonName": "ada", "organizationName": "Engines"}``. Of a name
        with several values, the last.
    :ivar dns_names: the host names under Subject Alternative Name.
    :ivar uris: the URIs there, as those of SPIFFE.
    :ivar emails: the addresses there.
    :ivar serial_number: in hexadecimal; the issuer gives each only once.
    :ivar issuer: as ``subject``.
    """

    subject: dict[str, str]
    dns_names: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    serial_number: str = ""
    issuer: dict[str, str] = {}

    @property
    def common_name(self) -> str:
        """The ``commonName`` of the subject; empty without one."""
        return self.subject.get("commonName", "")

    @classmethod
    def decode(cls, fields: dict[str, Any]) -> PeerCertificate:
        """Make it of what :meth:`ssl.SSLSocket.getpeercert` returns."""
        names: dict[str, list[str]] = {}
        for kind, value in fields.get("subjectAltName", ()):
            names.setdefault(kind, []).append(value)
        return cls(
            _names(fields.get("subject", ())),
            tuple(names.get("DNS", ())),
            tuple(names.get("URI", ())),
            tuple(names.get("email", ())),
            fields.get("serialNumber", ""),
            _names(fields.get("issuer", ())),
        )


class ClientCertificate(SchemeBase):
    """Certificates with which clients open TLS connections.

    The listener has to ask for them and to verify them. The address of the connection
    (``request.peer_address``) then has the attribute ``certificate``, in the form of
    :meth:`ssl.SSLSocket.getpeercert`.

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
        fields = getattr(request.peer_address, "certificate", None)
        if not fields:  # an empty dict is a certificate that was not verified
            return None
        certificate = PeerCertificate.decode(fields)
        subject = certificate.common_name or next(iter(certificate.uris or certificate.dns_names), "")
        if not (subject or certificate.subject):
            raise InvalidCredentials("the certificate names nobody")
        issuer = certificate.issuer.get("commonName", "")
        return Credentials(certificate, printable_subject(f"{subject}@{issuer}"))

    def describe(self) -> JsonObject:
        """Return the type of the scheme."""
        description = {"description": self.description} if self.description else {}
        return {"type": "mutualTLS"} | description


def _names(pairs: Any) -> dict[str, str]:
    """The names of a distinguished name: a tuple of tuples of pairs."""
    return {key: value for group in pairs for key, value in group}
