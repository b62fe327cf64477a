"""Encryption, for those who listen where others can hear."""

from __future__ import annotations

import os
import ssl

from msgspec import Struct

from unixsvc.config.http import Listen
from unixsvc.errors import ConfigError

__all__ = ["TlsContext", "tls_context_for"]


class TlsContext(Struct, frozen=True):
    """How the connections of an endpoint are encrypted.

    Until its handshake is done, nobody but the endpoint knows of a connection, so it sees to the limits.

    :ivar context: with our key.
    :ivar seconds: a handshake that takes longer is given up.
    :ivar most: further connections are closed at once, before their handshake.
    """

    context: ssl.SSLContext
    seconds: float
    most: int


def tls_context_for(listen: Listen) -> ssl.SSLContext | None:
    """What encrypts the connections of an endpoint; None if it is none of the kind ``ssl``.

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
        where = f"{listen.certificate}, {listen.private_key}"
        raise ConfigError(where, f"cannot be used for {listen}: {error}") from None
    return context


def _load_joined(context: ssl.SSLContext, listen: Listen) -> None:
    """Python takes a certificate and those that follow it from one file only."""
    file = os.memfd_create("unixsvc-certificates", os.MFD_CLOEXEC)
    try:
        for path in (listen.certificate, listen.chain):
            with open(path, "rb") as part:
                os.write(file, part.read() + b"\n")
        context.load_cert_chain(f"/proc/self/fd/{file}", listen.private_key)
    finally:
        os.close(file)
