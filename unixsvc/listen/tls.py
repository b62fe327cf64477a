"""TLS for endpoints that other machines can reach."""

from __future__ import annotations

import os
import ssl

from msgspec import Struct

from unixsvc.config.http import Listen
from unixsvc.errors import ConfigError

__all__ = ["TlsContext", "tls_context_for"]


class TlsContext(Struct, frozen=True):
    """TLS for the connections of one endpoint.

    The protocol sees a connection after its handshake only, so the endpoint enforces the limits.

    :ivar context: with the certificate and the private key.
    :ivar seconds: the time-out of a handshake.
    :ivar most: the maximum number of connections; further ones are closed before their handshake.
    """

    context: ssl.SSLContext
    seconds: float
    most: int


def tls_context_for(listen: Listen) -> ssl.SSLContext | None:
    """The TLS context of an endpoint; None if its kind is not ``ssl``.

    The defaults are those of Python's :mod:`ssl` for servers: TLS 1.2 and later.

    :raises ConfigError: if its files cannot be used.
    """
    if listen.kind != "ssl":
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        if listen.chain:
            _load_joined(context, listen)
        else:
            context.load_cert_chain(listen.certificate, listen.private_key)
    except (OSError, ssl.SSLError) as error:
        files = f"{listen.certificate}, {listen.private_key}"
        raise ConfigError(
            files, f"cannot be used for {listen}: {error}", "check both files with openssl"
        ) from None
    return context


def _load_joined(context: ssl.SSLContext, listen: Listen) -> None:
    """Load the certificate and its chain from two files, which Python's API takes from one file only."""
    file = os.memfd_create("unixsvc-certificates", os.MFD_CLOEXEC)
    try:
        for path in (listen.certificate, listen.chain):
            with open(path, "rb") as part:
                os.write(file, part.read() + b"\n")
        context.load_cert_chain(f"/proc/self/fd/{file}", listen.private_key)
    finally:
        os.close(file)
