"""TLS for endpoints that other machines can reach."""

from __future__ import annotations

import ssl
from typing import Final

from msgspec import Struct

from unixsvc.config.http import Listen
from unixsvc.errors import ConfigError
from unixsvc.listen.certificates import ServerCertificate
from unixsvc.memory_file import MemoryFile

__all__ = ["TlsContext", "make_tls_context"]

# Those of Mozilla's "intermediate" configuration, version 5.7; https://wiki.mozilla.org/Security/Server_Side_TLS.
_CIPHERS: Final = ":".join(
    f"{exchange}-{cipher}"
    for exchange in ("ECDHE-ECDSA", "ECDHE-RSA", "DHE-RSA")
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
)


class TlsContext(Struct):
    """TLS for the connections of one endpoint.

    The protocol sees a connection after its handshake only, so the endpoint enforces the limits.

    :ivar context: with the certificate and the private key; connections that are accepted later use another
        one that takes its place.
    :ivar seconds: the time-out of a handshake.
    :ivar most: the maximum number of connections; further ones are closed before their handshake.
    """

    context: ssl.SSLContext
    seconds: float
    most: int


def make_tls_context(certificate: ServerCertificate, listen: Listen) -> ssl.SSLContext:
    """Make the TLS context of an endpoint.

    TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3. Both are set here, as the defaults
    are those of the system: Debian's Python has ciphers without either.

    :param listen: the endpoint, for messages.
    :raises ConfigError: if the certificate cannot be used.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])

    def refuse() -> str:
        problem = f"cannot be used for {listen}: it is encrypted"
        raise ConfigError(listen.private_key, problem, "store the key without a passphrase, with mode 0600")

    try:
        with MemoryFile(certificate.chain) as chain, MemoryFile(certificate.private_key) as key:
            context.load_cert_chain(chain.path, key.path, refuse)
    except (OSError, ssl.SSLError) as error:
        files = f"{listen.certificate}, {listen.private_key}"
        problem = f"cannot be used for {listen}: {_reason(error)}"
        raise ConfigError(files, problem, "check both files with openssl") from None
    if certificate.client_authorities is not None:
        _verify_clients(context, certificate.client_authorities, listen)
    return context


def _verify_clients(context: ssl.SSLContext, authorities: str, listen: Listen) -> None:
    try:
        context.load_verify_locations(cadata=authorities)
    except (ValueError, ssl.SSLError) as error:
        problem = f"cannot be used for {listen}: {_reason(error)}"
        remedy = "write the certificates of the authorities there, in PEM"
        raise ConfigError(listen.client_authorities, problem, remedy) from None
    is_required = listen.client_certificate == "required"
    context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL


def _reason(error: Exception) -> str:
    """The error without the place in the source of Python."""
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error).partition(" (_ssl.c")[0]
