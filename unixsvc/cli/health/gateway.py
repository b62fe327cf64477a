"""The health check of the HTTP gateway at one of its addresses."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from unixsvc.config.http import NEEDS_CERTIFICATE

__all__ = ["problem_at"]

_OK: Final = 200
_UNAUTHORIZED: Final = 401


def problem_at(address: str, path: str, token: str | None, timeout: float) -> str:
    """Request a health check: the reason why the gateway is not healthy there; empty if it is.

    Where clients need a certificate, the TLS handshake is checked only.

    :param address: as the orchestrator reports it: a URL, or ``unix:`` and a path.
    :param path: ``/-/health``, ``/-/ready`` or ``/-/live``.
    :param token: it is only sent if the gateway demands one for every request.
    :param timeout: for each step, in seconds.
    """
    try:
        if address.endswith(NEEDS_CERTIFICATE):
            _shake_hands(address.removesuffix(NEEDS_CERTIFICATE), timeout)
            return ""
        status, reason = _request(address, path, None, timeout)
        if status == _UNAUTHORIZED and token is not None:
            status, reason = _request(address, path, token, timeout)
    except (OSError, HTTPException) as error:
        return f"{address}: {error or type(error).__name__}"
    return "" if status == _OK else f"{address}: {status} {reason}"


def _shake_hands(address: str, timeout: float) -> None:
    """Connect: without a certificate, the handshake is all that the gateway answers."""
    with closing(_connection(address, timeout)) as connection:
        connection.connect()


def _request(address: str, path: str, token: str | None, timeout: float) -> tuple[int, str]:
    """The status code of the response, and its text."""
    connection = _connection(address, timeout)
    try:
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "")  # allowed_hosts may have any names
        connection.putheader("Connection", "close")
        if token is not None:
            connection.putheader("Authorization", f"Bearer {token}")
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.reason
    finally:
        connection.close()


def _connection(address: str, timeout: float) -> HTTPConnection:
    if address.startswith("unix:"):
        connection = HTTPConnection("localhost", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        connection.sock.connect(address.removeprefix("unix:"))
        return connection
    url = urlsplit(address)
    if url.scheme == "http":
        return HTTPConnection(url.hostname or "", url.port, timeout=timeout)
    # The certificate has the public name. The orchestrator has bound the address, on this machine.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(url.hostname or "", url.port, timeout=timeout, context=context)
