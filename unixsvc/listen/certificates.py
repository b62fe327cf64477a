"""The certificate of an endpoint: what its files contain."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from unixsvc.config.http import Listen, parse_listen
from unixsvc.errors import ConfigError

__all__ = ["Certificates", "ServerCertificate", "certificate_paths", "read_certificate", "secure_endpoints"]


class ServerCertificate(Struct, frozen=True):
    """The contents of the PEM files of one endpoint.

    The orchestrator reads the files: a worker may run as another user, and may start while a file is being
    replaced.

    :ivar chain: the certificate and intermediate certificates.
    :ivar private_key: of the certificate.
    :ivar client_authorities: the authorities of client certificates; None if clients present none.
    """

    chain: str
    private_key: str
    client_authorities: str | None = None

    def __repr__(self) -> str:
        # The default one would show the private key in logs.
        return f"<ServerCertificate {len(self.chain)}>"


Certificates: TypeAlias = Mapping[str, ServerCertificate]
"""Those of one gateway, by endpoint string."""


def secure_endpoints(endpoints: tuple[str, ...], folder: str) -> dict[str, Listen]:
    """The endpoints with TLS, by endpoint string.

    :param folder: the base of relative paths.
    """
    parsed = {endpoint: parse_listen(endpoint, folder) for endpoint in endpoints}
    return {endpoint: listen for endpoint, listen in parsed.items() if listen.kind == "ssl"}


def certificate_paths(listen: Listen) -> list[str]:
    """The files of an endpoint."""
    paths = (listen.private_key, listen.certificate, listen.chain, listen.client_authorities)
    return [path for path in dict.fromkeys(paths) if path]


def read_certificate(listen: Listen) -> ServerCertificate:
    """Read the files of an endpoint.

    :raises ConfigError: naming the file that cannot be read.
    """
    parts = [_read(path, listen) for path in (listen.certificate, listen.chain) if path]
    return ServerCertificate(
        "\n".join(parts),
        _read(listen.private_key, listen),
        _read(listen.client_authorities, listen) if listen.client_authorities else None,
    )


def _read(path: str, listen: Listen) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError as error:
        folder = os.path.dirname(path)
        remedy = f"let the orchestrator read it, and enter {folder}"
        raise ConfigError(path, f"cannot be used for {listen}: {error.strerror}", remedy) from None
